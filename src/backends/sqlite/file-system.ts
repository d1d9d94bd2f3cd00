/** What kind of file system a path lies on: WAL needs shared memory and locks that can be trusted. */
const fs = process.getBuiltinModule("node:fs");

export type FileSystemKind =
  | "local"
  /** Other machines may see it, too. */
  | "network"
  /** A program or another kernel stands behind it: a virtual machine's share, a container's bind mount, or a local disk after all. */
  | "fuse"
  /** Gone with the container. */
  | "layer"
  /** Gone with the machine's power. */
  | "memory"
  | "unknown";

export interface FileSystem {
  readonly name: string;
  readonly kind: FileSystemKind;
  /** What this user may still write; absent where the system does not tell. */
  readonly free?: number;
}

/** Linux's magic numbers (statfs(2)). */
const KNOWN: ReadonlyMap<number, readonly [name: string, kind: FileSystemKind]> = new Map([
  [0xef53, ["ext4", "local"]],
  [0x58465342, ["xfs", "local"]],
  [0x9123683e, ["btrfs", "local"]],
  [0x2fc12fc1, ["zfs", "local"]],
  [0xf2f52010, ["f2fs", "local"]],
  [0xca451a4e, ["bcachefs", "local"]],
  [0x4d44, ["fat", "local"]],
  [0x2011bab0, ["exfat", "local"]],
  [0x7366746e, ["ntfs", "local"]],
  [0x794c7630, ["overlay", "layer"]],
  [0x61756673, ["aufs", "layer"]],
  [0x01021994, ["tmpfs", "memory"]],
  [0x858458f6, ["ramfs", "memory"]],
  [0x65735546, ["FUSE or virtiofs", "fuse"]],
  [0x6969, ["NFS", "network"]],
  [0x517b, ["SMB", "network"]],
  [0xff534d42, ["CIFS", "network"]],
  [0xfe534d42, ["SMB2", "network"]],
  [0x01021997, ["9p", "network"]],
  [0x00c36400, ["Ceph", "network"]],
  [0x5346414f, ["AFS", "network"]],
  [0x73757245, ["Coda", "network"]],
  [0x0bd00bd0, ["Lustre", "network"]],
  [0x47504653, ["GPFS", "network"]],
  [0x01161970, ["GFS2", "network"]],
  [0x7461636f, ["OCFS2", "network"]],
  [0x786f4256, ["VirtualBox share", "network"]],
  [0xbacbacbc, ["VMware share", "network"]],
]);

/** The file system that a number of statfs(2) names. */
export function fileSystemOf(magic: number): Pick<FileSystem, "name" | "kind"> {
  // Some kernels give the number with its sign.
  const [name, kind] = KNOWN.get(magic < 0 ? magic + 2 ** 32 : magic) ?? [`0x${magic.toString(16)}`, "unknown"];
  return { name, kind };
}

/** Looks only; elsewhere than on Linux the numbers mean something else. */
export function fileSystemAt(path: string, platform: NodeJS.Platform = process.platform): FileSystem {
  try {
    const { type, bavail, bsize } = fs.statfsSync(path);
    const named = platform === "linux" ? fileSystemOf(type) : { name: platform, kind: "unknown" as const };
    return { ...named, free: bavail * bsize };
  } catch {
    return { name: "unknown", kind: "unknown" };
  }
}
