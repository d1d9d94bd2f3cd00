/** What the file system refuses, as a sentence for people. */
const WHY: Readonly<Record<string, string>> = {
  EACCES: "this user may not",
  EPERM: "this user may not",
  EROFS: "its file system is read-only",
  ENOSPC: "no room is left for it",
  EDQUOT: "no room is left for it",
  ENOENT: "it is not there",
  ENOTDIR: "a part of its path is no folder",
  EISDIR: "it is a folder",
  ENAMETOOLONG: "its name is too long",
  ELOOP: "its links lead in a circle",
  EMFILE: "this process has too many files open: raise its limit (ulimit -n)",
  ENFILE: "too many files are open on this machine",
  EIO: "the device failed",
};
const VERBS: Readonly<Record<string, string>> = {
  write: "write to",
  mkdir: "make",
  scandir: "look into",
  stat: "look at",
  lstat: "look at",
};

/** The sentence; undefined for any other error. */
export function systemSentence(error: unknown): string | undefined {
  if (!(error instanceof Error && "code" in error && "syscall" in error)) return undefined;
  const why = WHY[String(error.code)];
  if (why === undefined) return undefined;
  const verb = VERBS[String(error.syscall)] ?? String(error.syscall);
  const what = "path" in error && typeof error.path === "string" ? error.path : "a file";
  return `Expected to be able to ${verb} ${what}, but ${why} (${String(error.code)})`;
}
