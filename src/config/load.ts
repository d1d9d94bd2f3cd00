/** The configuration in effect: defaults < file < variables < code, and where each value came from. */
import { ConfigError } from "../core/errors.ts";
import { nest, placeStores, presets, readSection } from "./check.ts";
import type { Origin } from "./check.ts";
import { readEnv } from "./env.ts";
import type { Env } from "./env.ts";
import { parseFile } from "./file.ts";
import type { FileSource } from "./file.ts";
import { OPTIONS } from "./options.ts";
import type { ConfigData } from "./options.ts";
import { withoutSecrets } from "./url.ts";

export interface LoadedConfig {
  readonly config: ConfigData;
  /** Where each value came from, by path (`taskQueue.config.queues`); a value that is absent has none. */
  readonly origins: ReadonlyMap<string, Origin>;
}

export interface ConfigSources {
  readonly file?: FileSource | undefined;
  /** Absent: no variable is read. */
  readonly env?: Env | undefined;
  /** The configuration in code: plain data, or a model. */
  readonly object?: unknown;
}

/** How much a source counts; the particular variable counts for more than the general one (`OMNIQ_TASK_QUEUE_URL`, `OMNIQ_URL`). */
const RANK = { file: 1, env: 2, object: 4 } as const;

/**
 * Puts the sources together.
 * @throws ConfigError `CONFIG_INVALID` naming the first wrong value and where it stands.
 */
export function resolveConfig({ file, env, object }: ConfigSources): LoadedConfig {
  const leaves = presets(OPTIONS, "");
  const layers = [
    file === undefined ? [] : readSection(OPTIONS, file.data, "", RANK.file, file.where),
    env === undefined ? [] : readEnv(env, RANK.env),
    object === undefined || object === null ? [] : readSection(OPTIONS, object, "", RANK.object, () => ({ from: "code" })),
  ];
  for (const layer of layers) for (const [path, leaf] of layer) leaves.set(path, leaf);
  placeStores(leaves);
  return { config: nest(OPTIONS, leaves, ""), origins: new Map([...leaves].map(([path, { origin }]) => [path, origin])) };
}

export interface LoadOptions extends Omit<ConfigSources, "file"> {
  /** The path of a YAML or JSON file. */
  readonly file?: string | undefined;
  readonly readFile: (path: string) => Promise<string>;
}

/**
 * Reads the file, where one is given, and puts the sources together.
 * @throws ConfigError `CONFIG_NOT_FOUND`, `CONFIG_SYNTAX`, `CONFIG_INVALID`.
 */
export async function loadConfig({ file, readFile, env, object }: LoadOptions): Promise<LoadedConfig> {
  const source = file === undefined ? undefined : await parseFile(await read(file, readFile), file);
  return resolveConfig({ file: source, env, object });
}

async function read(file: string, readFile: LoadOptions["readFile"]): Promise<string> {
  try {
    return await readFile(file);
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
    const why = code === "ENOENT" ? "there is no such file" : `it cannot be read (${typeof code === "string" ? code : "unknown reason"})`;
    throw new ConfigError("CONFIG_NOT_FOUND", `Expected ${withoutSecrets(file)} to be a configuration file, but ${why}`, { cause });
  }
}
