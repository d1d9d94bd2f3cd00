/**
 * The table of options: the one source of the configuration's types, of how each value is read from a file, a variable and code,
 * and of the reference page.
 */
import { DEFAULT_RETENTION } from "../core/retention.ts";
import { DEFAULT_POLICY } from "../core/task.ts";
import {
  duration,
  flag,
  folder,
  keepFor,
  logLevel,
  projectName,
  queueName,
  queueNames,
  schemaName,
  storeUrl,
  tablePrefix,
  whole,
  word,
} from "./kinds.ts";
import type { Kind } from "./kinds.ts";
import type { LogComponent } from "../core/logging.ts";

export interface Option<T, In = T> {
  readonly kind: Kind<T, In>;
  /** One line for the reference page; says what absence means where there is no `initial`. */
  readonly doc: string;
  /** The variables that set it; a later one wins over an earlier. */
  readonly env: readonly string[];
  /** Never shown: it may hold a password. */
  readonly secret: boolean;
}
/** An option that always has a value. */
interface Preset<T, In> extends Option<T, In> {
  readonly initial: T;
}

interface More {
  readonly env?: readonly string[];
  readonly secret?: boolean;
}

function option<T, In>(kind: Kind<T, In>, doc: string, { env = [], secret = false }: More = {}): Option<T, In> {
  return { kind, doc, env, secret };
}

function preset<T, In>(kind: Kind<T, In>, initial: T, doc: string, more?: More): Preset<T, In> {
  return { ...option(kind, doc, more), initial };
}

/** Where a store lies. Without `baseDir` and `url`: the task queue in `./omniq_data`, the others where the task queue lies. */
function place(variable: string) {
  return {
    baseDir: option(folder, "The folder of the file `<baseDir>/<projectName>.db`, made where it is missing.", { env: ["OMNIQ_BASE_DIR"] }),
    url: option(storeUrl, "The place itself instead of `baseDir`: `sqlite:<path>`, or `postgres://user@host/database`.", {
      env: ["OMNIQ_URL", `OMNIQ_${variable}_URL`],
      secret: true,
    }),
    schema: option(
      schemaName,
      "The schema of a PostgreSQL database that holds the tables. Default `omniq`; results and events: the task queue's.",
      { env: ["OMNIQ_SCHEMA"] },
    ),
    tablePrefix: option(
      tablePrefix,
      "Put before each table's name, so that the file may be your own. Default none; results and events: the task queue's. SQLite only.",
    ),
    busyTimeout: option(
      duration(0),
      "How long a call waits for another process's lock. Default `5s`; results and events: the task queue's. SQLite only.",
    ),
  };
}

const storeType = word("sqlite", "postgres");
const TYPE = "Without it, what the place says.";
const durability = word("full", "normal");
const DURABILITY = "`full`: what was acknowledged survives a power cut. `normal`: it survives the end of the process. SQLite only.";
/** The place of a store that is not the task queue's. */
function store(what: string, variable: string) {
  return {
    type: preset(storeType, "sqlite", `What ${what} are stored in. ${TYPE}`, { env: [`OMNIQ_${variable}_TYPE`] }),
    config: { ...place(variable), durability: option(durability, `${DURABILITY} Default: the task queue's.`) },
  };
}

function componentLevel(who: string) {
  return option(logLevel, `The same for ${who}. Default: \`logging.level\`.`);
}

/** The variable that sets several options of a section at once, as `worker=debug,task=info` or as JSON. */
export const GATHERED = { path: "logging.components", variable: "OMNIQ_COMPONENT_LOG_LEVELS" } as const;

/** The variables that set an option; a later one wins over an earlier. */
export function variablesOf({ path, option }: ListedOption): readonly string[] {
  return path.startsWith(`${GATHERED.path}.`) ? [...option.env, GATHERED.variable] : option.env;
}

export const OPTIONS = {
  projectName: preset(projectName, "omniq", "Names the file of the database.", { env: ["OMNIQ_PROJECT_NAME"] }),
  taskQueue: {
    type: preset(storeType, "sqlite", `What tasks and schedules are stored in. ${TYPE}`, { env: ["OMNIQ_TASK_QUEUE_TYPE"] }),
    config: {
      ...place("TASK_QUEUE"),
      durability: preset(durability, "full", DURABILITY),
      queues: preset(queueNames, ["default"], "The queues that a worker serves, strictly in this order.", {
        env: ["OMNIQ_DEFAULT_QUEUES"],
      }),
    },
  },
  resultStore: store("results", "RESULT_STORAGE"),
  eventStore: store("events", "EVENT_STORAGE"),
  worker: {
    type: preset(word("async"), "async", "What runs the handlers.", { env: ["OMNIQ_DEFAULT_WORKER"] }),
    config: {
      maxWorkers: option(whole(1), "How many handlers run at a time (`concurrency`). Default: the worker's own.", {
        env: ["OMNIQ_MAX_WORKERS"],
      }),
      lease: option(duration(1), "How long a silent worker keeps its claims. Default: the worker's own."),
      prefetch: option(whole(0), "How many tasks are claimed beyond the free slots. Default 0."),
    },
  },
  taskDefaults: {
    queueName: preset(queueName, "default", "The queue of a task that names none."),
    maxRetries: preset(whole(0), DEFAULT_POLICY.maxRetries, "Retries after failures.", { env: ["OMNIQ_RETRY_ATTEMPTS"] }),
    retryDelay: preset(duration(0), DEFAULT_POLICY.retryDelay, "The wait before a retry.", { env: ["OMNIQ_RETRY_DELAY"] }),
    backoff: preset(word("fixed", "exponential"), DEFAULT_POLICY.backoff, "How that wait grows."),
    timeout: option(duration(1), "The longest one attempt may run. Default: no limit.", { env: ["OMNIQ_TASK_TIMEOUT"] }),
    ttl: option(duration(1), "How long after its creation a task may still be started. Default: for ever.", { env: ["OMNIQ_TASK_TTL"] }),
    resultTtl: option(duration(0), "How long a result can be read. Default: as long as its task is kept.", { env: ["OMNIQ_RESULT_TTL"] }),
    storeResult: preset(flag, DEFAULT_POLICY.storeResult, "Whether results are kept."),
    atMostOnce: preset(flag, DEFAULT_POLICY.atMostOnce, "Whether a task whose worker crashed has failed, instead of running again."),
    maxCrashes: preset(whole(1), DEFAULT_POLICY.maxCrashes, "Crashes after which a task has failed as poison."),
  },
  retention: {
    completed: preset(keepFor, DEFAULT_RETENTION.completed, "How long a completed task is kept, with its result; `false` for ever."),
    failed: preset(keepFor, DEFAULT_RETENTION.failed, "The same for a failed one."),
    cancelled: preset(keepFor, DEFAULT_RETENTION.cancelled, "The same for a cancelled one."),
    expired: preset(keepFor, DEFAULT_RETENTION.expired, "The same for an expired one."),
    events: preset(keepFor, DEFAULT_RETENTION.events, "How long an event is kept."),
  },
  logging: {
    level: preset(logLevel, "warn", "From which level on messages are written.", { env: ["OMNIQ_LOG_LEVEL"] }),
    disabled: preset(flag, false, "Whether nothing is written at all, also not to a logger of your own.", {
      env: ["OMNIQ_DISABLE_LOGGING"],
    }),
    components: {
      worker: componentLevel("the worker: claims, runs, beats, writes what comes of tasks"),
      scheduler: componentLevel("the scheduler"),
      upkeep: componentLevel("upkeep: recovery, retention"),
      client: componentLevel("what enqueues, waits and cancels"),
      task: componentLevel("your handlers: `ctx.log`"),
    } satisfies Record<LogComponent, AnyOption>,
  },
} as const;

// oxlint-disable-next-line typescript/no-explicit-any -- any option whatever: T stands on both sides of `kind`
export type AnyOption = Option<any, any>;
export interface Section {
  readonly [key: string]: AnyOption | Section;
}

export function isOption(node: AnyOption | Section): node is AnyOption {
  return "kind" in node && typeof node.doc === "string";
}

/** What is kept of a part of the table: plain and mutable, durations in milliseconds. */
export type Values<N> =
  N extends Option<infer T, infer _>
    ? T
    : { -readonly [K in Exclude<keyof N, MayLack<N>>]: Values<N[K]> } & { -readonly [K in MayLack<N>]?: Values<N[K]> };
type MayLack<N> = { [K in keyof N]: N[K] extends AnyOption ? (N[K] extends { readonly initial: unknown } ? never : K) : never }[keyof N];
/** What may be given of it in code. `null` is absent. */
type Input<N> = N extends Option<infer _, infer In> ? In : { readonly [K in keyof N]?: Input<N[K]> | null | undefined };

/** The whole configuration, as it is in effect. */
export type ConfigData = Values<typeof OPTIONS>;
/** A configuration in code; snake_case keys are taken too. */
export type ConfigInput = Input<typeof OPTIONS>;

export interface ListedOption {
  /** `taskQueue.config.queues` */
  readonly path: string;
  readonly option: AnyOption;
}

/** Every option of the table, in its order. */
export function listOptions(section: Section = OPTIONS, prefix = ""): readonly ListedOption[] {
  return Object.entries(section).flatMap(([key, node]) => {
    const path = `${prefix}${key}`;
    return isOption(node) ? [{ path, option: node }] : listOptions(node, `${path}.`);
  });
}
