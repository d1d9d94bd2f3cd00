/** Checks of the backend's options: before any file is touched. */
import { expected } from "../../core/errors.ts";
import type { SQLiteBackendOptions } from "./backend.ts";
import { libraryOf } from "./library.ts";
import { fileOf } from "./open.ts";

const path = process.getBuiltinModule("node:path");

export function checkOptions(options: SQLiteBackendOptions): void {
  const { projectName, baseDir, durability, tablePrefix } = options;
  if (projectName !== undefined && !isName(projectName)) throw expected("projectName", "a file name without `/` or `\\`", projectName);
  if (baseDir !== undefined && (typeof baseDir !== "string" || baseDir === "")) throw expected("baseDir", "the path of a folder", baseDir);
  if (options.path !== undefined && (typeof options.path !== "string" || options.path === ""))
    throw expected("path", "the path of a file, or `:memory:`", options.path);
  if (durability !== undefined && durability !== "full" && durability !== "normal")
    throw expected("durability", '"full" or "normal"', durability);
  if (options.anyFileSystem !== undefined && typeof options.anyFileSystem !== "boolean")
    throw expected("anyFileSystem", "true or false", options.anyFileSystem);
  if (tablePrefix !== undefined && !isPrefix(tablePrefix)) {
    throw expected("tablePrefix", "at most 31 letters, digits and `_`, not beginning with a digit", tablePrefix);
  }
  const given = (["path", "connection"] as const).filter((key) => options[key] !== undefined);
  if (given.length > 1 || (given.length === 1 && baseDir !== undefined)) {
    throw expected("path", "given alone: `path`, `connection` and `baseDir` each say where the file is", options.path ?? "a connection");
  }
}

function isPrefix(value: unknown): value is string {
  return typeof value === "string" && /^(?:[A-Za-z_][A-Za-z0-9_]{0,30})?$/.test(value);
}

function isName(value: unknown): value is string {
  return typeof value === "string" && value !== "" && value.length <= 200 && value !== "." && value !== ".." && !/[/\\\0]/.test(value);
}

/** The absolute path of the file; `:memory:` for memory. */
export function pathOf(options: SQLiteBackendOptions, projectName: string): string {
  if (options.connection !== undefined) {
    const file = fileOf(libraryOf(options.connection).wrap(options.connection));
    if (file === "") throw expected("connection", "a handle on a file", "one on a database in memory");
    return file;
  }
  if (options.path === ":memory:") return ":memory:";
  return path.resolve(options.path ?? path.join(options.baseDir ?? "omniq_data", `${projectName}.db`));
}
