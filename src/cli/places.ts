/** Where the stores of a configuration lie: each file once, with what it holds. */
import { join, resolve } from "node:path";
import type { LoadedConfig } from "../config/load.ts";
import type { ConfigData } from "../config/options.ts";
import { settingsOf } from "../config/settings.ts";
import type { StoreSettings } from "../config/settings.ts";
import { StorageError } from "../core/errors.ts";

const HOLDS = { taskQueue: "tasks", resultStore: "results", eventStore: "events" } as const;
export type Holding = (typeof HOLDS)[keyof typeof HOLDS];

export interface FilePlace {
  /** What lies in it, the tasks first. */
  readonly holds: readonly Holding[];
  /** Absolute, or `:memory:`. */
  readonly path: string;
  readonly tablePrefix: string;
  readonly busyTimeout: number;
  readonly durability: StoreSettings["durability"];
}

const BUSY_TIMEOUT = 5_000;

/** The place of the tasks first. @throws ConfigError for stores that contradict each other. */
export function placesOf(config: ConfigData, origins?: LoadedConfig["origins"]): readonly FilePlace[] {
  const { projectName, ...stores } = settingsOf(config, origins);
  const places = new Map<string, FilePlace>();
  for (const [store, holds] of Object.entries(HOLDS)) {
    const settings = stores[store === "taskQueue" || store === "resultStore" ? store : "eventStore"];
    const { tablePrefix, durability, busyTimeout = BUSY_TIMEOUT } = settings;
    const path = fileOf(settings, projectName);
    const key = `${path}#${tablePrefix}`;
    const before = places.get(key);
    places.set(key, { path, tablePrefix, durability, busyTimeout, holds: [...(before?.holds ?? []), holds] });
  }
  return [...places.values()];
}

function fileOf({ path, baseDir = "" }: StoreSettings, projectName: string): string {
  return path === ":memory:" ? path : resolve(path ?? join(baseDir, `${projectName}.db`));
}

/** @throws StorageError `STORAGE_NOT_FOUND`: what lies in memory ends with its process. */
export function refuseMemory(places: readonly FilePlace[]): void {
  if (places.every(({ path }) => path !== ":memory:")) return;
  throw new StorageError(
    "STORAGE_NOT_FOUND",
    "Expected a database in a file, got one in memory: it lives and ends with the process that made it",
  );
}
