/** The modules with the tasks: which files, importing them, and their `setup`. */
import { existsSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { ModuleError } from "../../core/errors.ts";
import { importHint } from "../../core/import-hint.ts";
import { loadModule } from "../../host.ts";
import type { OmniQ } from "../../index.ts";
import { saying } from "../user-code.ts";

/** Where tasks are looked for when no `--tasks` names a file. */
export const TASK_FILES = ["tasks", "src/tasks"].flatMap((name) => ["ts", "mts", "js", "mjs"].map((ending) => `${name}.${ending}`));

export interface TaskModule {
  /** As it was named. */
  readonly file: string;
  readonly url: string;
  readonly exports: unknown;
}

/** @throws ModuleError `MODULE_NOT_FOUND`. */
export function taskFilesOf(named: readonly string[]): readonly string[] {
  const missing = named.find((file) => !existsSync(file));
  if (missing !== undefined) throw new ModuleError("MODULE_NOT_FOUND", `Expected --tasks to name a file, but there is no ${missing}`);
  const folder = named.find((file) => statSync(file).isDirectory());
  if (folder !== undefined) throw new ModuleError("MODULE_NOT_FOUND", `Expected --tasks to name a file, but ${folder} is a folder`);
  if (named.length > 0) return named;
  const found = TASK_FILES.find((file) => existsSync(file));
  if (found !== undefined) return [found];
  throw new ModuleError(
    "MODULE_NOT_FOUND",
    "Expected a file with tasks (tasks.ts, tasks.mts, tasks.js, tasks.mjs, or one of these in src), but there is none here: name it with --tasks, or begin with omniq init",
  );
}

/** @throws ModuleError `MODULE_NOT_LOADED` with the place of the mistake, and what helps. */
export async function importTasks(file: string): Promise<TaskModule> {
  const url = pathToFileURL(resolve(file)).href;
  try {
    return { file, url, exports: await loadModule(url) };
  } catch (cause) {
    throw new ModuleError("MODULE_NOT_LOADED", `Expected ${file} to be importable, got ${saying(cause)}${hintFor(cause, url)}`, { cause });
  }
}

/**
 * Calls what the module exports as `setup`: the place for schedules, the same on each start.
 * @throws ModuleError `MODULE_SETUP_FAILED`.
 */
export async function setUp({ file, exports }: TaskModule, omniq: OmniQ): Promise<void> {
  if (typeof exports !== "object" || exports === null || !("setup" in exports)) return;
  const { setup } = exports;
  // A task may be called so, too.
  if (typeof setup !== "function") return;
  try {
    await setup(omniq);
  } catch (cause) {
    throw new ModuleError("MODULE_SETUP_FAILED", `Expected setup() of ${file} to succeed, got ${saying(cause)}`, { cause });
  }
}

/** A name that is not exported is a SyntaxError, too, but no matter of what Node can take away. */
function hintFor(error: unknown, url: string): string {
  return error instanceof Error && error.message.includes("does not provide an export") ? "" : importHint(error, url);
}
