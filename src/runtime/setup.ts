/** The options of an OmniQ, checked, and the stores that they name. */
import type { Backend } from "../core/backend.ts";
import type { Clock } from "../core/clock.ts";
import { expected, InvalidOptionError } from "../core/errors.ts";
import { LOG_LEVELS } from "../core/logging.ts";
import { refuseUnknown } from "../core/nearest.ts";
import { checkDefaults, DEFAULT_KEYS, text, whole } from "./defaults.ts";
import { sweepsOf } from "./retention.ts";
import type { Retention } from "./retention.ts";
import type { CheckedDefaults, Logger, TaskDefaults } from "./signatures.ts";
import { Stores } from "./stores.ts";

/** Where everything lies, and what goes for all of it. Without options: `./omniq_data/omniq.db`. */
export interface OmniQOptions<Tx = unknown> {
  /** Names the file. Default `omniq`. */
  readonly projectName?: string | undefined;
  /** The folder of the file, made where it is missing. Default `./omniq_data`. */
  readonly baseDir?: string | undefined;
  /** Instead of `baseDir`: `sqlite:./data/shop.db`, `sqlite::memory:`, `postgres://user@host/database` (which needs the package `pg`). */
  readonly url?: string | undefined;
  /** Instead of both: a backend of your own making. One that is open already stays open when OmniQ is closed. */
  readonly backend?: Backend<Tx> | undefined;
  /** Results elsewhere: a backend or a URL. Default: where the tasks lie. */
  readonly results?: Backend | string | undefined;
  /** Events elsewhere: a backend or a URL. Default: where the tasks lie. */
  readonly events?: Backend | string | undefined;
  /** `"full"` (default): what was acknowledged survives a power cut. `"normal"`: it survives the end of the process. */
  readonly durability?: "full" | "normal" | undefined;
  /** Put before every table's name, so that the file may be your own. */
  readonly tablePrefix?: string | undefined;
  /** The schema of a PostgreSQL database that holds the tables, made where it is missing. Default `omniq`. */
  readonly schema?: string | undefined;
  /** What a task gets that neither its options nor its definition say. */
  readonly taskDefaults?: TaskDefaults | undefined;
  /** How long what has ended is kept. Default 7 days, failed tasks and events 30; `false` keeps. */
  readonly retention?: Retention | undefined;
  /** Longest arguments of a task, in bytes of UTF-8. Default 1 MiB. */
  readonly payloadLimit?: number | undefined;
  /** Default: warnings and errors to stderr. Never given a payload. */
  readonly logger?: Logger | undefined;
  /** Default: the machine's. */
  readonly clock?: Clock | undefined;
}

/** A backend, or how to make it. Equal keys share one backend. */
export type Place = Backend | { readonly key: string; readonly open: object };
/** What a worker gets that its options do not say. */
export interface WorkerDefaults {
  readonly queues?: readonly string[];
  readonly concurrency?: number;
  readonly lease?: number;
  readonly prefetch?: number;
}

export interface Setup {
  readonly main: Place;
  /** Absent: where the tasks lie. */
  readonly results: Place | undefined;
  readonly events: Place | undefined;
  readonly taskDefaults: CheckedDefaults;
  readonly retention: Retention | undefined;
  readonly workers: WorkerDefaults;
  readonly payloadLimit: number | undefined;
  readonly logger: Logger | undefined;
  readonly clock: Clock | undefined;
}

const KEYS = [
  "projectName",
  "baseDir",
  "url",
  "backend",
  "results",
  "events",
  "durability",
  "tablePrefix",
  "schema",
  "taskDefaults",
  "retention",
  "payloadLimit",
  "logger",
  "clock",
];

/**
 * Checks what was given; nothing is opened.
 * @param placeOf what a URL names. @throws InvalidOptionError for a wrong or unknown option, and for two that contradict each other.
 */
export function setupOf(options: OmniQOptions, placeOf: PlaceOf): Setup {
  if (typeof options !== "object" || options === null) throw expected("options", "an object", options);
  refuseUnknown(options, KEYS, "the options of OmniQ");
  refuseContradictions(options);
  const { results, events, retention, payloadLimit, logger, clock } = options;
  sweepsOf(retention);
  const places = {
    main: mainOf(options, placeOf),
    results: results === undefined ? undefined : otherOf(results, "results", options, placeOf),
    events: events === undefined ? undefined : otherOf(events, "events", options, placeOf),
  };
  refuseIdle(options, Object.values(places));
  return {
    ...places,
    taskDefaults: taskDefaultsOf(options.taskDefaults),
    retention,
    workers: {},
    payloadLimit: payloadLimit === undefined ? undefined : whole(payloadLimit, "payloadLimit", 1),
    logger: logger === undefined ? undefined : checkMethods(logger, "logger", LOG_LEVELS),
    clock: clock === undefined ? undefined : checkMethods(clock, "clock", ["now", "monotonic", "after"]),
  };
}

/** @throws InvalidOptionError for a wrong or unknown one. */
function taskDefaultsOf(given: TaskDefaults | undefined): CheckedDefaults {
  if (given === undefined) return {};
  if (typeof given !== "object" || given === null) throw expected("taskDefaults", "an object", given);
  refuseUnknown(given, DEFAULT_KEYS, "`taskDefaults`");
  return checkDefaults(given);
}

/** Makes the stores: each place once, by `open` where it is not a backend already. */
export async function storesOf(setup: Setup, open: (place: object) => Promise<Backend>): Promise<Stores> {
  const made = new Map<string, Backend>();
  const make = async (place: Place): Promise<Backend> => {
    if (isBackend(place)) return place;
    const backend = made.get(place.key) ?? (await open(place.open));
    made.set(place.key, backend);
    return backend;
  };
  const main = await make(setup.main);
  const results = setup.results === undefined ? main : await make(setup.results);
  return new Stores(main, results, setup.events === undefined ? main : await make(setup.events));
}

/** The stores at once, where they were all handed in. */
export function storesNow({ main, results = main, events = main }: Setup): Stores | undefined {
  return isBackend(main) && isBackend(results) && isBackend(events) ? new Stores(main, results, events) : undefined;
}

/** What a URL names: a file, or a server. */
type PlaceOf = (url: unknown, name: string) => { readonly path: string } | { readonly url: string };

function mainOf(options: OmniQOptions, placeOf: PlaceOf): Place {
  const { backend, url, baseDir, projectName } = options;
  if (backend !== undefined) return checkBackend(backend, "backend");
  const named = projectName === undefined ? {} : { projectName: text(projectName, "projectName", 200) };
  if (url !== undefined) return atUrl(placeOf(url, "url"), { ...options, ...named });
  const where = baseDir === undefined ? {} : { baseDir: text(baseDir, "baseDir", 4_096) };
  return { key: "", open: { ...named, ...where, ...howOf(options) } };
}

function otherOf(given: unknown, name: string, options: OmniQOptions, placeOf: PlaceOf): Place {
  return typeof given === "string" ? atUrl(placeOf(given, name), options) : checkBackend(given, name);
}

function atUrl(place: ReturnType<PlaceOf>, options: OmniQOptions): Place {
  const { projectName, schema, clock } = options;
  const named = projectName === undefined ? {} : { projectName };
  if ("path" in place) return { key: place.path, open: { ...named, ...place, ...howOf(options) } };
  const open = { ...named, ...place, ...(schema === undefined ? {} : { schema }), ...(clock === undefined ? {} : { clock }) };
  return { key: JSON.stringify([place.url, schema]), open };
}

function howOf({ durability, tablePrefix, clock }: OmniQOptions) {
  return {
    ...(durability === undefined ? {} : { durability }),
    ...(tablePrefix === undefined ? {} : { tablePrefix }),
    ...(clock === undefined ? {} : { clock }),
  };
}

/** What belongs to the making of a backend says nothing where the backend is made already. */
function refuseContradictions(options: OmniQOptions): void {
  const refuse = (one: keyof OmniQOptions, others: readonly (keyof OmniQOptions)[]): void => {
    const other = options[one] === undefined ? undefined : others.find((key) => options[key] !== undefined);
    if (other === undefined) return;
    throw new InvalidOptionError("INVALID_OPTION", `Expected \`${one}\` to be given without \`${other}\`, got both`);
  };
  refuse("backend", ["url", "baseDir", "projectName", "durability", "tablePrefix", "schema"]);
  refuse("url", ["baseDir"]);
}

/** What belongs to a kind of place is a mistake where there is none of that kind. */
function refuseIdle(options: OmniQOptions, places: readonly (Place | undefined)[]): void {
  const made = places.flatMap((place) => (place !== undefined && "key" in place ? [place.open] : []));
  const refuse = (keys: readonly (keyof OmniQOptions)[], is: string, fits: (open: object) => boolean): void => {
    const idle = keys.find((key) => options[key] !== undefined);
    if (idle === undefined || made.some((open) => fits(open))) return;
    throw new InvalidOptionError("INVALID_OPTION", `Expected \`${idle}\` to be given with ${is}, where it has a meaning, got none`);
  };
  refuse(["schema"], "a postgres:// URL", (open) => "url" in open);
  refuse(["durability", "tablePrefix"], "an SQLite file", (open) => !("url" in open));
}

const SLICES = ["work", "presence", "desk", "schedules", "results", "events"];

function isBackend(value: unknown): value is Backend {
  return typeof value === "object" && value !== null && SLICES.every((slice) => slice in value) && "open" in value && "traits" in value;
}

function checkBackend(value: unknown, name: string): Backend {
  if (!isBackend(value)) throw expected(name, "a backend such as `new SQLiteBackend({ … })`", value);
  return value;
}

/** @throws InvalidOptionError when it lacks one of these methods. */
export function checkMethods<T extends object>(value: T, name: string, methods: readonly (keyof T & string)[]): T {
  if (typeof value !== "object" || value === null || methods.some((method) => typeof value[method] !== "function")) {
    throw expected(name, `an object with the methods ${methods.join(", ")}`, value);
  }
  return value;
}
