/** The configuration that a command works with: its options over variables over a file over the defaults. */
import { existsSync, readFileSync } from "node:fs";
import { parseEnv } from "node:util";
import { refuse } from "../config/check.ts";
import type { Complain, Source } from "../config/check.ts";
import { findConfigFile } from "../config/find.ts";
import { loadConfig, resolveConfig } from "../config/load.ts";
import type { LoadedConfig } from "../config/load.ts";
import { textOf } from "../config/utf8.ts";
import { loadModuleAt, readFileAt } from "../host.ts";
import type { ConfigError } from "../core/errors.ts";
import { UsageError } from "./command.ts";
import type { Given } from "./command.ts";
import type { Terminal } from "./terminal.ts";
import { plain } from "./text.ts";

export interface Configured extends LoadedConfig {
  /** The configuration file, where there is one. */
  readonly file?: string;
}

/**
 * Reads what options, variables and the configuration file say. The file is that of `--config`, else that of `OMNIQ_CONFIG`, else the
 * one that lies in the working directory.
 * @param complain told of each mistake, where not the first one is to be thrown.
 * @throws ConfigError; UsageError for an option that is wrong.
 */
export async function configured(given: Given, terminal: Terminal, complain: Complain = refuse): Promise<Configured> {
  const named = namedIn(given);
  const { env, fileOf } = variables(given.text("env"), terminal.env);
  const file = given.text("config") ?? findConfigFile(env, existsSync, complain);
  if (file !== undefined && given.flag("debug")) terminal.note(`configuration file: ${plain(file)}`);
  const sources = { file, env, fileOf, named };
  const loaded = await besideTheAnswer(terminal, () => loadConfig({ ...sources, readFile: readFileAt, load: loadModuleAt, complain }));
  const { taskQueue, resultStore, eventStore } = loaded.config;
  if (given.text("schema") !== undefined && ![taskQueue, resultStore, eventStore].some(({ type }) => type === "postgres")) {
    throw new UsageError(
      "Expected --schema to be given with a postgres:// URL (by --url, a variable or a file), where it has a meaning, got none",
    );
  }
  return { ...loaded, ...(file === undefined ? {} : { file }) };
}

/** What a configuration that is a program prints goes to stderr: stdout is for the answer of the command alone. */
async function besideTheAnswer<T>({ stdout, stderr }: Terminal, step: () => Promise<T>): Promise<T> {
  const write = stdout.write.bind(stdout);
  stdout.write = stderr.write.bind(stderr);
  try {
    return await step();
  } finally {
    stdout.write = write;
  }
}

/** The variables of the process over those of an env file. */
function variables(file: string | undefined, env: Terminal["env"]) {
  if (file === undefined) return { env, fileOf: undefined };
  const set = parseEnv(textOf(bytesOf(file), file));
  return { env: { ...set, ...env }, fileOf: (name: string) => (name in env || !(name in set) ? undefined : file) };
}

/** @throws UsageError for a file that cannot be read. */
function bytesOf(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
    const why = code === "ENOENT" ? `there is no ${file}` : `${file} cannot be read (${code})`;
    throw new UsageError(`Expected --env to name a file of variables, but ${why}`, { cause });
  }
}

/** Where each value stands that an option can say. */
const OPTION_OF: Readonly<Record<string, string>> = { projectName: "--project", url: "--url", schema: "--schema", baseDir: "--base-dir" };

/** Options name one database in which everything lies, whatever variables and file say; a schema alone, one beside theirs. */
function namedIn(given: Given): Source | undefined {
  const [url, schema, projectName, baseDir] = [given.text("url"), given.text("schema"), given.text("project"), given.text("baseDir")];
  if ([url, schema, projectName, baseDir].every((each) => each === undefined)) return undefined;
  if (schema !== undefined && (projectName ?? baseDir) !== undefined) {
    throw new UsageError("Expected --schema to be given without --project and --base-dir: they name an SQLite file, which has none");
  }
  if (url !== undefined && (projectName ?? baseDir) !== undefined) {
    const other = projectName === undefined ? "--base-dir" : "--project";
    throw new UsageError(`Expected --url to be given alone, got ${other} too: each says where the database is`);
  }
  const named: Source = {
    data: {
      projectName,
      taskQueue: { config: { url, schema, baseDir } },
      resultStore: { config: { schema } },
      eventStore: { config: { schema } },
    },
    where: (keys) => ({ from: "option", name: OPTION_OF[keys.at(-1) ?? ""] ?? "" }),
  };
  const mistakes: ConfigError[] = [];
  resolveConfig({ named }, (mistake) => mistakes.push(mistake));
  if (mistakes[0] !== undefined) throw new UsageError(mistakes[0].message);
  return named;
}
