/**
 * The machine and process that OmniQ runs on: the one place that makes the clock, chance, ids, the environment and the host's
 * identity. Everything else is handed them.
 */
import { v7 } from "uuid";
import type { Clock, Random } from "./core/clock.ts";

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

/** A new id: UUIDv7, so that ids sort by time and repeating a call with the same id is safe. */
export function newId(): string {
  return v7();
}

/** What tells this process from every other one, also after a restart that reuses its pid. */
export interface HostIdentity {
  readonly host: string;
  /** The boot of the machine and the namespace of its process ids: pids are only comparable inside one. */
  readonly boot: string;
  readonly pid: number;
  /** When the process started, in the host's own unit: only ever compared. Empty where the host does not tell. */
  readonly started: string;
}

const os = process.getBuiltinModule("node:os");
const fs = process.getBuiltinModule("node:fs");

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

function namespaceOfPids(): string {
  try {
    return fs.readlinkSync("/proc/self/ns/pid");
  } catch {
    return "";
  }
}

let known: HostIdentity | undefined;

/** The identity of this process, read once. */
export function hostIdentity(): HostIdentity {
  known ??= {
    host: os.hostname(),
    boot: `${readText("/proc/sys/kernel/random/boot_id")}${namespaceOfPids()}`,
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
