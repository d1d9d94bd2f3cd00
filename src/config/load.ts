/** The configuration in effect: defaults < file < variables < code < options of the command line, and where each value came from. */
import { ConfigError } from "../core/errors.ts";
import { nest, placeStores, presets, readSection, refuse } from "./check.ts";
import type { Complain, Leaves, Origin, Source } from "./check.ts";
import { readEnv } from "./env.ts";
import type { Env } from "./env.ts";
import { parseFile } from "./file.ts";
import { importFile, isModule } from "./module.ts";
import { textOf } from "./utf8.ts";
import { OPTIONS } from "./options.ts";
import type { ConfigData } from "./options.ts";
import { withoutSecrets } from "./url.ts";
import { isPostgresUrl } from "../core/url.ts";

export interface LoadedConfig {
  readonly config: ConfigData;
  /** Where each value came from, by path (`taskQueue.config.queues`); a value that is absent has none. */
  readonly origins: ReadonlyMap<string, Origin>;
  /** Where else a value was given that does not count, by path; what counts most comes first. Defaults are left out. */
  readonly shadowed: ReadonlyMap<string, readonly Origin[]>;
}

export interface ConfigSources {
  readonly file?: Source | undefined;
  /** Absent: no variable is read. */
  readonly env?: Env | undefined;
  /** The file that sets a variable, where that is not the process. */
  readonly fileOf?: ((name: string) => string | undefined) | undefined;
  /** The configuration in code: plain data, or a model. */
  readonly object?: unknown;
  /** The one database that options of the command line name: everything lies there. */
  readonly named?: Source | undefined;
}

/** How much a source counts; the particular variable counts for more than the general one (`OMNIQ_TASK_QUEUE_URL`, `OMNIQ_URL`). */
const RANK = { file: 1, env: 2, object: 4, named: 5 } as const;

/**
 * Puts the sources together.
 * @param complain told of each mistake, where not the first one is to be thrown.
 * @throws ConfigError `CONFIG_INVALID` naming the first wrong value and where it stands.
 */
export function resolveConfig(sources: ConfigSources, complain: Complain = refuse): LoadedConfig {
  const { file, env, fileOf, object, named } = sources;
  const layers: readonly Leaves[] = [
    presets(OPTIONS, ""),
    file === undefined ? new Map() : readSection(OPTIONS, file.data, "", { rank: RANK.file, where: file.where, complain }),
    env === undefined ? new Map() : readEnv(env, { rank: RANK.env, fileOf, complain }),
    object === undefined || object === null
      ? new Map()
      : readSection(OPTIONS, object, "", { rank: RANK.object, where: () => ({ from: "code" }), complain }),
    named === undefined ? new Map() : readSection(OPTIONS, named.data, "", { rank: RANK.named, where: named.where, complain }),
  ];
  const leaves: Leaves = new Map(layers.flatMap((layer) => Array.from(layer)));
  if (PLACE.some((path) => leaves.get(path)?.rank === RANK.named)) leaveOut(leaves);
  placeStores(leaves, complain);
  return {
    config: nest(OPTIONS, leaves, ""),
    origins: new Map([...leaves].map(([path, { origin }]) => [path, origin])),
    shadowed: shadowedBy(leaves, layers),
  };
}

/** What of the command line's options names a database. */
const PLACE = ["projectName", "taskQueue.config.url", "taskQueue.config.baseDir"] as const;
/** What would put something elsewhere than into the database that was named: another URL, and the places of results and events. */
const OTHER_PLACE = /^(?:taskQueue\.(?:type|config\.url)$|(?:resultStore|eventStore)\.(?:type$|config\.))/;
/** What has a meaning in databases of the other kind alone. */
const OF_FILES = /^taskQueue\.config\.(?:tablePrefix|busyTimeout|durability)$/;
const OF_SERVERS = /^taskQueue\.config\.schema$/;

/** Takes out what other sources say of another database than the one that was named. */
function leaveOut(leaves: Leaves): void {
  const url = leaves.get("taskQueue.config.url");
  const isServer = url?.rank === RANK.named && typeof url.value === "string" && isPostgresUrl(url.value);
  const idle = isServer ? OF_FILES : OF_SERVERS;
  for (const [path, { rank }] of leaves) if ((OTHER_PLACE.test(path) || idle.test(path)) && rank < RANK.named) leaves.delete(path);
  for (const [path, leaf] of presets(OPTIONS, "")) if (!leaves.has(path)) leaves.set(path, leaf);
}

function shadowedBy(leaves: Leaves, layers: readonly Leaves[]): ReadonlyMap<string, readonly Origin[]> {
  const shadowed = new Map<string, Origin[]>();
  for (const layer of layers.toReversed())
    for (const [path, leaf] of layer)
      if (leaf.origin.from !== "default" && leaf !== leaves.get(path)) shadowed.set(path, [...(shadowed.get(path) ?? []), leaf.origin]);
  return shadowed;
}

export interface LoadOptions extends Omit<ConfigSources, "file"> {
  /** The path of a YAML or JSON file, or of a module. */
  readonly file?: string | undefined;
  readonly readFile: (path: string) => Promise<Uint8Array>;
  /** Imports the module at a path. */
  readonly load: (path: string) => Promise<unknown>;
  readonly complain?: Complain;
}

/**
 * Reads the file, where one is given, and puts the sources together.
 * @throws ConfigError `CONFIG_NOT_FOUND`, `CONFIG_SYNTAX`, `CONFIG_NOT_LOADED`, `CONFIG_INVALID`.
 */
export async function loadConfig({ file, readFile, load, complain = refuse, ...sources }: LoadOptions): Promise<LoadedConfig> {
  if (file === undefined) return resolveConfig(sources, complain);
  // A module is read too, so that one that is not there is told from one that imports what is not there.
  const bytes = await read(file, readFile);
  const source = isModule(file) ? await importFile(file, load, { env: sources.env ?? {} }) : await parseFile(textOf(bytes, file), file);
  return resolveConfig({ ...sources, file: source }, complain);
}

async function read(file: string, readFile: LoadOptions["readFile"]): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
    const why = code === "ENOENT" ? "there is no such file" : `it cannot be read (${typeof code === "string" ? code : "unknown reason"})`;
    throw new ConfigError("CONFIG_NOT_FOUND", `Expected ${withoutSecrets(file)} to be a configuration file, but ${why}`, { cause });
  }
}
