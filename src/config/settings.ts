/** What the composition root makes objects of: the configuration, with its stores placed and everything in one plain shape. */
import { ConfigError } from "../core/errors.ts";
import type { Ms } from "../core/record.ts";
import type { Retention } from "../core/retention.ts";
import { at } from "./check.ts";
import type { Origin } from "./check.ts";
import type { ConfigData } from "./options.ts";
import { sqlitePathOf } from "./url.ts";
import { isPostgresUrl } from "../core/url.ts";

export type StoreName = "taskQueue" | "resultStore" | "eventStore";

/** Where one store lies and how it is opened. */
export type StoreSettings = FileSettings | ServerSettings;

/** Either `path` or `baseDir` is given. */
export interface FileSettings {
  readonly type: "sqlite";
  /** Equal for stores that share one backend. */
  readonly key: string;
  /** The file, or `:memory:`. */
  readonly path?: string;
  readonly baseDir?: string;
  readonly durability: "full" | "normal";
  readonly tablePrefix: string;
  readonly busyTimeout?: Ms;
}

export interface ServerSettings {
  readonly type: "postgres";
  /** Equal for stores that share one backend. Holds what the URL holds: not to be shown. */
  readonly key: string;
  readonly url: string;
  readonly schema: string;
}

export interface Settings extends Readonly<Record<StoreName, StoreSettings>> {
  readonly projectName: string;
  /** The worker's queues, in order. */
  readonly queues: readonly string[];
  readonly executor: "async";
  /** Absent: the worker's own default; so are `lease` and `prefetch`. */
  readonly concurrency: number | undefined;
  readonly lease: Ms | undefined;
  readonly prefetch: number | undefined;
  /** What a task gets that neither its options nor its definition say. */
  readonly taskDefaults: Readonly<ConfigData["taskDefaults"]>;
  readonly retention: Retention;
  readonly logging: Readonly<ConfigData["logging"]>;
}

/**
 * The settings of a configuration, or of a model of one.
 * @param origins where each value came from, for errors.
 * @throws ConfigError `CONFIG_INVALID` when stores that share one place would open it differently, and for a type or an option that the places contradict.
 */
export function settingsOf(config: ConfigData, origins?: ReadonlyMap<string, Origin>): Settings {
  const { projectName, taskQueue, worker, taskDefaults, retention, logging } = config;
  const stores = storesOf(config);
  refuseOtherType(config, stores, origins);
  refuseIdle(config, stores, origins);
  refuseContradiction(stores, origins);
  return {
    ...stores,
    projectName,
    queues: [...taskQueue.config.queues],
    executor: worker.type,
    concurrency: worker.config.maxWorkers,
    lease: worker.config.lease,
    prefetch: worker.config.prefetch,
    taskDefaults: { ...taskDefaults },
    retention: { ...retention },
    logging: { ...logging, components: { ...logging.components } },
  };
}

/** Where each store lies, as a key: those with the same key share one backend. */
export function placesOf(config: ConfigData): Readonly<Record<StoreName, string>> {
  const { taskQueue, resultStore, eventStore } = storesOf(config);
  return { taskQueue: taskQueue.key, resultStore: resultStore.key, eventStore: eventStore.key };
}

function storesOf(config: ConfigData): Readonly<Record<StoreName, StoreSettings>> {
  return {
    taskQueue: storeOf(config, "taskQueue"),
    resultStore: storeOf(config, "resultStore"),
    eventStore: storeOf(config, "eventStore"),
  };
}

function storeOf({ projectName, ...stores }: ConfigData, name: StoreName): StoreSettings {
  const queue = stores.taskQueue.config;
  const own = stores[name].config;
  const { url, baseDir = "./omniq_data" } = own.url === undefined && own.baseDir === undefined ? queue : own;
  if (url !== undefined && isPostgresUrl(url)) {
    const schema = own.schema ?? queue.schema ?? "omniq";
    return { type: "postgres", key: `${url.replace(/^postgres(?:ql)?:/i, "postgres:")}#${schema}`, url, schema };
  }
  const path = url === undefined ? undefined : sqlitePathOf(url);
  const tablePrefix = own.tablePrefix ?? queue.tablePrefix ?? "";
  const busyTimeout = own.busyTimeout ?? queue.busyTimeout;
  return {
    type: "sqlite",
    key: `sqlite:${path === ":memory:" ? path : plainPath(path ?? `${baseDir}/${projectName}.db`)}${tablePrefix === "" ? "" : `#${tablePrefix}`}`,
    ...(path === undefined ? { baseDir } : { path }),
    durability: own.durability ?? queue.durability,
    tablePrefix,
    ...(busyTimeout === undefined ? {} : { busyTimeout }),
  };
}

/** A path without `.`, without doubled separators, and without what a `..` takes back. */
function plainPath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === ".." && parts.length > 0 && parts.at(-1) !== "..") parts.pop();
    else parts.push(part);
  }
  return `${path.startsWith("/") ? "/" : ""}${parts.join("/")}`;
}

type Origins = ReadonlyMap<string, Origin> | undefined;
type Stores = Readonly<Record<StoreName, StoreSettings>>;
const STORES = ["taskQueue", "resultStore", "eventStore"] as const;

/** What a store is said to be, it has to be: one without a place of its own is what the task queue is. */
function refuseOtherType(config: ConfigData, stores: Stores, origins: Origins): void {
  for (const name of STORES) {
    const { type: said } = config[name];
    const { type: is } = stores[name];
    if (said === is) continue;
    const { url, baseDir } = config[name].config;
    const place = url !== undefined ? "url" : baseDir !== undefined ? "baseDir" : undefined;
    const from = at(origins?.get(`${name}.type`));
    const why =
      place === undefined
        ? name === "taskQueue"
          ? "no URL is given"
          : "it has no place of its own and lies with the tasks"
        : `\`${name}.config.${place}\`${at(origins?.get(`${name}.config.${place}`))} names ${is === "sqlite" ? "a file" : "a PostgreSQL database"}`;
    const remedy =
      said === "postgres" ? `give \`${name}.config.url\` as postgres://user@host/database` : `give \`${name}.config.url\` or \`baseDir\``;
    throw new ConfigError(
      "CONFIG_INVALID",
      `Expected \`${name}.type\` to be "${is}", since ${why}, got "${said}"${from}; ${remedy}, or leave \`type\` out`,
    );
  }
}

/** What belongs to a kind of place is a mistake where there is none of that kind. */
function refuseIdle(config: ConfigData, stores: Stores, origins: Origins): void {
  const kinds = new Set(STORES.map((name) => stores[name].type));
  const refuse = (kind: "sqlite" | "postgres", key: "schema" | "tablePrefix" | "busyTimeout" | "durability"): void => {
    if (kinds.has(kind)) return;
    for (const name of STORES) {
      const path = `${name}.config.${key}`;
      const value = config[name].config[key];
      // Every task queue has one, and a server is never less.
      if (value === undefined || value === "full") continue;
      const meaning = kind === "postgres" ? "a postgres:// URL" : "an SQLite file";
      throw new ConfigError(
        "CONFIG_INVALID",
        `Expected \`${path}\` to be given with ${meaning}, where it has a meaning, got none${at(origins?.get(path))}`,
      );
    }
  };
  refuse("postgres", "schema");
  for (const key of ["tablePrefix", "busyTimeout", "durability"] as const) refuse("sqlite", key);
}

/** One backend is opened in one way. */
function refuseContradiction(stores: Stores, origins: Origins): void {
  const pairs = [
    ["resultStore", "taskQueue"],
    ["eventStore", "taskQueue"],
    ["eventStore", "resultStore"],
  ] as const;
  for (const [name, other] of pairs) {
    const [one, same] = [stores[name], stores[other]];
    if (one.type !== "sqlite" || same.type !== "sqlite" || one.key !== same.key) continue;
    for (const key of ["durability", "busyTimeout"] as const) {
      const [got, wanted] = [one[key], same[key]];
      if (got === wanted) continue;
      // What a store does not say itself is the task queue's.
      const from = (store: StoreName): string => at(origins?.get(`${store}.config.${key}`) ?? origins?.get(`taskQueue.config.${key}`));
      throw new ConfigError(
        "CONFIG_INVALID",
        `Expected \`${name}.config.${key}\` to be that of \`${other}\`, which lies in the same place: ${textOf(wanted)}${from(other)}, got ${textOf(got)}${from(name)}`,
      );
    }
  }
}

const textOf = (value: string | number | undefined): string => (value === undefined ? "the default" : String(value));
