/** What the composition root makes objects of: the configuration, with its stores placed and everything in one plain shape. */
import { ConfigError } from "../core/errors.ts";
import type { Ms } from "../core/record.ts";
import type { Retention } from "../core/retention.ts";
import { at } from "./check.ts";
import type { Origin } from "./check.ts";
import type { ConfigData } from "./options.ts";
import { sqlitePathOf } from "./url.ts";

export type StoreName = "taskQueue" | "resultStore" | "eventStore";

/** Where one store lies and how it is opened; either `path` or `baseDir` is given. */
export interface StoreSettings {
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
 * @throws ConfigError `CONFIG_INVALID` when stores that share one place would open it differently.
 */
export function settingsOf(config: ConfigData, origins?: ReadonlyMap<string, Origin>): Settings {
  const { projectName, taskQueue, worker, taskDefaults, retention, logging } = config;
  const stores = storesOf(config);
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
  const { type, config: own } = stores[name];
  const { url, baseDir = "./omniq_data" } = own.url === undefined && own.baseDir === undefined ? queue : own;
  const path = url === undefined ? undefined : sqlitePathOf(url);
  const tablePrefix = own.tablePrefix ?? queue.tablePrefix ?? "";
  const busyTimeout = own.busyTimeout ?? queue.busyTimeout;
  return {
    type,
    key: `${type}:${path === ":memory:" ? path : plainPath(path ?? `${baseDir}/${projectName}.db`)}${tablePrefix === "" ? "" : `#${tablePrefix}`}`,
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

/** One backend is opened in one way. */
function refuseContradiction(stores: Readonly<Record<StoreName, StoreSettings>>, origins?: ReadonlyMap<string, Origin>): void {
  const pairs = [
    ["resultStore", "taskQueue"],
    ["eventStore", "taskQueue"],
    ["eventStore", "resultStore"],
  ] as const;
  for (const [name, other] of pairs) {
    if (stores[name].key !== stores[other].key) continue;
    for (const key of ["durability", "busyTimeout"] as const) {
      const [got, wanted] = [stores[name][key], stores[other][key]];
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
