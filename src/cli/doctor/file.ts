/** Findings about the file, its folder and its file system: nothing is opened for them. */
import type { FileFacts } from "../../backends/sqlite/examine.ts";
import { isHollow } from "../../backends/sqlite/examine.ts";
import type { FileSystem } from "../../backends/sqlite/file-system.ts";
import { bytes } from "../text.ts";
import { note, ok, problem, warning } from "./finding.ts";
import type { Finding } from "./finding.ts";

/** So little room is a problem, or a warning. */
const FULL = 50_000_000;
const NEARLY_FULL = 1_000_000_000;
/** A WAL is cut back to 64 MiB when it starts over: a longer one did not start over for long. */
const LONG_WAL = 67_108_864;

export function fileFindings(facts: FileFacts): readonly Finding[] {
  const { path, is } = facts;
  if (is === "missing")
    return [
      problem(
        "file",
        `There is no database at ${path}`,
        "omniq migrate makes it, or --config, --project, --base-dir or --url name another",
      ),
      ...fileSystemFindings(facts),
    ];
  if (is === "other") return [problem("file", `${path} is a folder or a device`, "name a file with --url")];
  const what = isHollow(facts)
    ? problem(
        "file",
        `${path} is empty, but its WAL is not: opening it would delete what the WAL holds`,
        "restore a backup, or remove both files",
      )
    : facts.bytes === 0
      ? problem("file", `${path} is empty`, "omniq migrate makes the tables")
      : ok("file", `${path}, ${bytes(facts.bytes)}`);
  return [what, ...secondNameFindings(facts), ...permissionFindings(facts), ...walFindings(facts), ...fileSystemFindings(facts)];
}

function secondNameFindings({ path, secondName }: FileFacts): readonly Finding[] {
  if (secondName === undefined) return [];
  return [
    secondName === "link"
      ? problem(
          "names",
          `${path} has a second name, a hard link: a program that opens it by the other one writes a WAL of its own, and commits are lost`,
          "stop all programs and remove one of them (find FOLDER -samefile FILE names them), not the one that a WAL lies beside",
        )
      : problem(
          "names",
          `${path} is mounted alone, from another folder: a program that opens it there writes a WAL of its own, and commits are lost`,
          "stop all programs and mount its folder instead",
        ),
  ];
}

function permissionFindings({ path, mode, folderMode, readOnly }: FileFacts): readonly Finding[] {
  const found = [
    ...readOnly.map((each) =>
      problem("permissions", `This user may not read and write ${each}`, `chown it to the user of the workers, or: chmod u+rw ${each}`),
    ),
    ...(mode !== undefined && (mode & 0o077) !== 0
      ? [warning("permissions", `Others may open ${path} (mode ${mode.toString(8)}), and arguments may hold secrets`, `chmod 600 ${path}*`)]
      : []),
    ...(folderMode !== undefined && (folderMode & 0o1002) === 0o0002
      ? [warning("permissions", "Anybody may replace files in its folder", "chmod o-w the folder")]
      : []),
  ];
  return found.length > 0 ? found : [ok("permissions", "Readable and writable, and by nobody else")];
}

function walFindings({ walBytes, bytes: size }: FileFacts): readonly Finding[] {
  if (walBytes <= LONG_WAL || walBytes <= size) return [ok("wal", `The WAL holds ${bytes(walBytes)}`)];
  return [
    warning(
      "wal",
      `The WAL holds ${bytes(walBytes)}, more than the database: a reader has kept it from starting over`,
      "look for a program that holds a read transaction open, and end it; the WAL shrinks by itself then",
    ),
  ];
}

const LOCAL_DISK = "move the database to a local disk, such as a named volume";

function fileSystemFindings({ fileSystem }: FileFacts): readonly Finding[] {
  return [kindFinding(fileSystem), ...roomFindings(fileSystem)];
}

function kindFinding({ name, kind }: FileSystem): Finding {
  const check = "file-system";
  switch (kind) {
    case "network":
      return problem(check, `It lies on ${name}, where SQLite's locks and shared memory cannot be trusted`, LOCAL_DISK);
    case "fuse":
      return warning(check, `It lies on ${name}: if another machine or kernel stands behind it, SQLite may break there`, LOCAL_DISK);
    case "layer":
      return warning(check, `It lies on ${name}, inside a container: it is gone when the container is`, "mount a volume for its folder");
    case "memory":
      return warning(check, `It lies on ${name}: it is gone when the machine restarts`, LOCAL_DISK);
    case "local":
      return ok(check, `On ${name}`);
    case "unknown":
      return note(check, `On a file system that is not known here (${name})`, "make sure that it is a local disk, not a network's");
  }
}

function roomFindings({ free }: FileSystem): readonly Finding[] {
  if (free === undefined) return [];
  const text = `${bytes(free)} are free on its file system`;
  if (free < FULL) return [problem("room", text, "make room: commits fail when it is full; what was acknowledged stays")];
  return [free < NEARLY_FULL ? warning("room", text, "make room, or: omniq cleanup") : ok("room", text)];
}
