/**
 * The machine and process that OmniQ runs on: the one place that makes the clock, chance, ids, the environment and the host's
 * identity. Everything else is handed them.
 */
import { v5, v7 } from "uuid";
import { sqlitePathOf, withoutSecrets } from "./config/url.ts";
import { isPostgresUrl } from "./core/url.ts";
import type { Backend } from "./core/backend.ts";
import type { Clock, Random } from "./core/clock.ts";
import { expected } from "./core/errors.ts";
import { LOG_LEVELS } from "./core/logging.ts";
import type { LogComponent, LogLevel } from "./core/logging.ts";
import { jsonLogLine, prettyLine } from "./runtime/log-line.ts";
import type { LogEntry, Paint } from "./runtime/log-line.ts";
import type { LogData } from "./runtime/logger.ts";
import type { Logger } from "./runtime/signatures.ts";

/** The machine's clock; its timers let the process end unless asked to keep it. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, fn, keepAlive = false) {
    const timer = setTimeout(fn, ms);
    if (!keepAlive) timer.unref();
    return () => {
      clearTimeout(timer);
    };
  },
};

export const systemRandom: Random = () => Math.random();

/** Random bytes for the next ids: asking for 16 at a time costs more than the rest of an enqueue's own work. */
const dice = new Uint8Array(4_096);
let cast = dice.length;
/** The millisecond of the last id, and its place in it: later ids sort behind it also within one millisecond. */
let idTime = 0;
let idSequence = 0;

/** A new id: UUIDv7, so that ids sort by time and repeating a call with the same id is safe. */
export function newId(): string {
  if (cast === dice.length) {
    crypto.getRandomValues(dice);
    cast = 0;
  }
  const random = dice.subarray(cast, (cast += 16));
  const now = Date.now();
  if (now > idTime) {
    idTime = now;
    // 31 random bits, so that there is room to count on.
    idSequence = new DataView(random.buffer, random.byteOffset).getUint32(0) >>> 1;
  } else idSequence++;
  return v7({ msecs: idTime, seq: idSequence, random });
}

const CHILDREN = "b0f3a3c4-8c56-5d0e-9f5e-6f0d3c1b7a52";

/**
 * The id of the child that a task makes by its n-th `ctx.enqueue`: the same on every attempt. It shows its parent as long as it is
 * short; a task that enqueues its own successor would else come to an id that is too long after 133 generations, and end there.
 */
export function childId(parent: string, call: number): string {
  const id = `${parent}.${call}`;
  return id.length <= 100 ? id : v5(id, CHILDREN);
}

/** What tells this process from every other one, also after a restart that reuses its pid. */
export interface HostIdentity {
  readonly host: string;
  /** The boot of the machine and the namespaces of its process ids and of its clock: pids and start times are only comparable inside one. */
  readonly boot: string;
  readonly pid: number;
  /** When the process started, in the host's own unit: only ever compared. Empty where the host does not tell. */
  readonly started: string;
}

const os = process.getBuiltinModule("node:os");
const fs = process.getBuiltinModule("node:fs");
const util = process.getBuiltinModule("node:util");

function readText(path: string): string {
  try {
    return fs.readFileSync(path, "utf8").trim();
  } catch {
    return "";
  }
}

/** Field 22 of /proc/<pid>/stat, counted behind the name in parentheses, which may hold spaces. */
function startOf(pid: number): string {
  const stat = readText(`/proc/${pid}/stat`);
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
}

/** Empty where the kernel has no such kind; those of time came with Linux 5.6, and shift the start times of all processes. */
function namespaceOf(kind: "pid" | "time"): string {
  try {
    return fs.readlinkSync(`/proc/self/ns/${kind}`);
  } catch {
    return "";
  }
}

let known: HostIdentity | undefined;

/** The identity of this process, read once. */
export function hostIdentity(): HostIdentity {
  known ??= {
    host: os.hostname(),
    boot: `${readText("/proc/sys/kernel/random/boot_id")}${namespaceOf("pid")}${namespaceOf("time")}`,
    pid: process.pid,
    started: startOf(process.pid),
  };
  return known;
}

/**
 * Whether the process with this identity is certainly gone: same host and boot, and no such pid or one that started at another time.
 * False whenever it cannot be told.
 */
export function isGone(other: HostIdentity): boolean {
  const own = hostIdentity();
  if (other.host !== own.host || other.boot !== own.boot || own.boot === "") return false;
  try {
    process.kill(other.pid, 0);
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "ESRCH";
  }
  const started = startOf(other.pid);
  return other.started !== "" && started !== "" && started !== other.started;
}

/** A later turn of the event loop: lets timers, I/O and signals through. */
export function yieldTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** The signals that a process can listen to on this system: two of them nobody hears. */
export function signalNames(): readonly string[] {
  return Object.keys(os.constants.signals).filter((name) => name !== "SIGKILL" && name !== "SIGSTOP");
}

/** Calls `fn` on each such signal of the process; returns the function that ends it. */
export function onSignal(signal: string, fn: () => void): () => void {
  process.on(signal, fn);
  return () => {
    process.off(signal, fn);
  };
}

/** Imports a module by its URL. */
export function loadModule(url: string): Promise<unknown> {
  return import(url);
}

/** Imports a module by its path, which may be relative to the working directory. */
export function loadModuleAt(path: string): Promise<unknown> {
  return loadModule(process.getBuiltinModule("node:url").pathToFileURL(path).href);
}

/** The variables of the process. */
export function environment(): Readonly<Record<string, string | undefined>> {
  return process.env;
}

/** Whether there is something at a path. */
export function existsAt(path: string): boolean {
  return fs.existsSync(path);
}

/** What a file holds. */
export function readFileAt(path: string): Promise<Uint8Array> {
  return fs.promises.readFile(path);
}

/** Which messages the logger of the house writes. */
export interface LogSettings {
  /** From this level on. */
  readonly level: LogLevel | "off";
  /** The same for single parts. */
  readonly components?: Readonly<Partial<Record<LogComponent, LogLevel | "off">>>;
}

/** Writes messages to stderr, a line each: for people on a terminal, as JSON elsewhere. */
export function stderrLogger({ level: least, components = {} }: LogSettings = { level: "warn" }): Logger {
  const levels = new Map<unknown, LogLevel | "off">(Object.entries(components));
  const isWritten = (level: LogLevel, component: unknown): boolean => {
    const from = levels.get(component) ?? least;
    return from !== "off" && LOG_LEVELS.indexOf(level) >= LOG_LEVELS.indexOf(from);
  };
  const at = (level: LogLevel) => (message: string, data?: LogData) => {
    if (isWritten(level, data?.["component"])) writeLog({ level, message, data });
  };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

function writeLog(entry: LogEntry): void {
  const { stderr } = process;
  const paint: Paint = (style, text) => util.styleText(style, text, { stream: stderr });
  stderr.write(`${stderr.isTTY ? prettyLine(new Date(), entry, paint) : jsonLogLine(new Date(), entry)}\n`);
}

/** Where a backend lies and how it is opened: a file (`path`, or `baseDir` and `projectName`) or memory (`path: ":memory:"`). */
export interface FilePlace {
  readonly projectName?: string;
  readonly baseDir?: string;
  readonly path?: string;
  readonly durability?: "full" | "normal";
  readonly tablePrefix?: string;
  readonly busyTimeout?: number;
  readonly clock?: Clock;
}

/** The same on a PostgreSQL server. */
export interface ServerPlace {
  readonly projectName?: string;
  readonly url: string;
  readonly schema?: string;
  readonly clock?: Clock;
}

const SCHEMES = "sqlite:<path> (such as sqlite:./data/shop.db), sqlite::memory: and postgres://<host>/<database>";

/**
 * What the URL of a store names: a file, or a server.
 * @throws InvalidOptionError for a scheme that is not known.
 */
export function placeOfUrl(url: unknown, name: string): { readonly path: string } | { readonly url: string } {
  const path = typeof url === "string" ? sqlitePathOf(url) : undefined;
  if (path !== undefined) return { path };
  if (typeof url === "string" && isPostgresUrl(url)) return { url };
  throw expected(name, `a URL of a known scheme: ${SCHEMES}`, typeof url === "string" ? withoutSecrets(url) : url);
}

/** The backend of a place, not opened yet. Its code and driver are loaded by this call, and not before. */
export async function backendAt(place: FilePlace | ServerPlace): Promise<Backend> {
  if ("url" in place) {
    const { PostgresBackend } = await import("./postgres.ts");
    return new PostgresBackend(place);
  }
  const { SQLiteBackend } = await import("./sqlite.ts");
  return new SQLiteBackend(place);
}
