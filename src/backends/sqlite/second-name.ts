/**
 * A second name of a database file that no link leads back from. SQLite keeps the WAL beside the name that it is given, so programs under
 * two names write two WALs over one file: of 600 acknowledged tasks, half were gone.
 */
import { StorageError } from "../../core/errors.ts";
import { realFile } from "./real-file.ts";

const fs = process.getBuiltinModule("node:fs");

/** A hard link, or a mount of the file alone. */
export type SecondName = "link" | "mount";

/** Looks only. */
export function secondNameOf(file: string): SecondName | undefined {
  if ((fs.statSync(file, { throwIfNoEntry: false })?.nlink ?? 1) > 1) return "link";
  return isMountPoint(realFile(file), readMounts()) ? "mount" : undefined;
}

/** @throws StorageError `STORAGE_TWO_NAMES` */
export function refuseSecondName(file: string): void {
  const second = secondNameOf(file);
  if (second === undefined) return;
  const why = "a program that opens it by the other would write a WAL of its own, and commits would be lost";
  throw new StorageError(
    "STORAGE_TWO_NAMES",
    second === "link"
      ? `Expected ${file} to have one name, but it has another one, a hard link: ${why}. Stop all programs and remove one of them, not the one that a WAL lies beside; \`omniq backup\` copies a database`
      : `Expected ${file} to lie in the folder that it is seen in, but it is mounted there alone, from another one: ${why}. Stop all programs and mount its folder instead`,
  );
}

/** Of this process; empty where the system tells none. */
function readMounts(): string {
  try {
    return process.platform === "linux" ? fs.readFileSync("/proc/self/mountinfo", "utf8") : "";
  } catch {
    return "";
  }
}

/** proc(5): the fifth field is where it is mounted, with spaces, tabs, line breaks and backslashes in octal. */
function isMountPoint(file: string, mounts: string): boolean {
  return mounts
    .split("\n")
    .some(
      (line) => line.split(" ")[4]?.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8))) === file,
    );
}
