/** A configuration that is a program, as `omniq.config.ts`: its default export, or what that answers when it is called or awaited. */
import { ConfigError, describe } from "../core/errors.ts";
import { importHint, lineIn } from "../core/import-hint.ts";
import type { ConfigInput } from "./options.ts";
import type { Source } from "./check.ts";
import type { Env } from "./env.ts";
import { withoutSecrets } from "./url.ts";

/** What a configuration that is a function is called with. */
export interface ConfigContext {
  /** The variables that count: those of the process, and those of an `--env`. */
  readonly env: Env;
}
/** What the default export of `omniq.config.ts` may be. */
export type ConfigExport = ConfigInput | Promise<ConfigInput> | ((context: ConfigContext) => ConfigInput | Promise<ConfigInput>);

/** Whether a file is imported instead of read. */
export function isModule(file: string): boolean {
  return /\.[cm]?[jt]s$/i.test(file);
}

/**
 * Imports the file.
 * @throws ConfigError `CONFIG_NOT_LOADED` when that fails, the function throws or the promise is rejected; `CONFIG_INVALID` without a
 *   default export.
 */
export async function importFile(file: string, load: (path: string) => Promise<unknown>, context: ConfigContext): Promise<Source> {
  const module = await attempt(file, "be importable", () => load(file));
  // The default export may be a promise itself.
  const data = await attempt(file, "answer a configuration", async (): Promise<unknown> => {
    const exported = defaultOf(module);
    return typeof exported === "function" ? exported(context) : exported;
  });
  if (typeof data !== "object" || data === null) {
    throw new ConfigError(
      "CONFIG_INVALID",
      `Expected the default export of ${file} to be a configuration, or a function that answers one, got ${typeof data === "string" ? "a text" : describe(data)}`,
    );
  }
  return { data, where: () => ({ from: "file", file }) };
}

/** CommonJS that was made of a module has its default export one deeper. */
function defaultOf(module: unknown): unknown {
  const exported = propertyOf(module, "default");
  return propertyOf(exported, "__esModule") === true ? propertyOf(exported, "default") : exported;
}

function propertyOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && name in value
    ? Object.entries(value).find(([key]) => key === name)?.[1]
    : undefined;
}

async function attempt<T>(file: string, what: string, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (cause) {
    const why = withoutSecrets(cause instanceof Error ? `${cause.name}: ${cause.message}` : describe(cause));
    const line = lineIn(cause, file);
    throw new ConfigError(
      "CONFIG_NOT_LOADED",
      `Expected ${file} to ${what}, got ${why}${line === undefined ? "" : ` (${line})`}${importHint(cause, file)}`,
      { cause },
    );
  }
}
