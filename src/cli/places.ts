/** Where the stores of a configuration lie: each file or schema once, with what it holds. */
import { basename, dirname, extname, join, resolve } from "node:path";
import type { LoadedConfig } from "../config/load.ts";
import type { ConfigData } from "../config/options.ts";
import { settingsOf } from "../config/settings.ts";
import type { FileSettings, ServerSettings } from "../config/settings.ts";
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
  readonly durability: FileSettings["durability"];
}

export interface ServerPlace {
  readonly holds: readonly Holding[];
  /** Not to be shown: it may hold a password. */
  readonly url: string;
  readonly schema: string;
  /** The place for people: host, database and schema, no user, no password. */
  readonly name: string;
}

export type Place = FilePlace | ServerPlace;

export const isServer = (place: Place): place is ServerPlace => "url" in place;
export const nameOf = (place: Place): string => (isServer(place) ? place.name : place.path);

const BUSY_TIMEOUT = 5_000;

/** The place of the tasks first. @throws ConfigError for stores that contradict each other. */
export function placesOf(config: ConfigData, origins?: LoadedConfig["origins"]): readonly Place[] {
  const { projectName, ...stores } = settingsOf(config, origins);
  const places = new Map<string, Place>();
  for (const [store, holds] of Object.entries(HOLDS)) {
    const settings = stores[store === "taskQueue" || store === "resultStore" ? store : "eventStore"];
    const place = settings.type === "postgres" ? serverPlace(settings) : filePlace(settings, projectName);
    const key = "url" in place ? settings.key : `${place.path}#${place.tablePrefix}`;
    places.set(key, { ...place, holds: [...(places.get(key)?.holds ?? []), holds] });
  }
  return [...places.values()];
}

function filePlace({ path, baseDir = "", tablePrefix, durability, busyTimeout = BUSY_TIMEOUT }: FileSettings, projectName: string) {
  const file = path === ":memory:" ? path : resolve(path ?? join(baseDir, `${projectName}.db`));
  return { path: file, tablePrefix, durability, busyTimeout };
}

function serverPlace({ url, schema }: ServerSettings) {
  const { host, pathname } = new URL(url);
  return { url, schema, name: `postgres://${host}${pathname}, schema ${schema}` };
}

/** The files among places. */
export const filesOf = (places: readonly Place[]): readonly FilePlace[] => places.flatMap((place) => (isServer(place) ? [] : [place]));

/** Where the copy of a place goes: `shop.db`, and `shop.results.db` for results in a file of their own. */
export function copyOf(file: string, { holds }: FilePlace): string {
  if (holds.includes("tasks")) return file;
  const ending = extname(file);
  return join(dirname(file), `${basename(file, ending)}.${holds.join("-")}${ending}`);
}

/** @throws StorageError `STORAGE_NOT_FOUND`: what lies in memory ends with its process. */
export function refuseMemory(places: readonly Place[]): void {
  if (filesOf(places).every(({ path }) => path !== ":memory:")) return;
  throw new StorageError(
    "STORAGE_NOT_FOUND",
    "Expected a database in a file, got one in memory: it lives and ends with the process that made it",
  );
}
