/** What a worker tells people: never a payload, and never so often that it fills a disk. */
import type { Clock } from "../core/clock.ts";
import { LOG_LEVELS } from "../core/logging.ts";
import type { LogComponent } from "../core/logging.ts";
import { isA } from "./failure.ts";
import type { Logger } from "./signatures.ts";

export type LogData = Readonly<Record<string, unknown>>;
type Level = keyof Logger;

/** A storage that is down says so at most this often. */
const ONCE_A = 1_000;
/** One that has moved does not come back: whoever reads the log has to do something. */
const ONCE_A_MOVED = 60_000;

function mapped(write: (level: Level, message: string, data: LogData | undefined) => void): Logger {
  const [debug, info, warn, error] = LOG_LEVELS.map((level) => (message: string, data?: LogData): void => {
    write(level, message, data);
  });
  if (debug === undefined || info === undefined || warn === undefined || error === undefined)
    throw new TypeError("LOG_LEVELS is not whole");
  return { debug, info, warn, error };
}

/** The same logger; one that throws never breaks the worker, and one of pino's kind is given its fields first. */
export function safeLogger(logger: Logger): Logger {
  const write = isPino(logger)
    ? (level: Level, message: string, data: LogData | undefined): unknown => logger[level](data ?? {}, message)
    : (level: Level, message: string, data: LogData | undefined): unknown => logger[level](message, data);
  return mapped((level, message, data) => {
    try {
      const answer = write(level, message, data);
      // One that is async against its type: its rejection would end the process.
      if (answer instanceof Promise) answer.catch(() => {});
    } catch {
      // There is nowhere left to say it.
    }
  });
}

type FieldsFirst = Readonly<Record<Level, (fields: LogData, message: string) => unknown>>;

/** Known by two methods that belong together: what is bound to it, and how a logger with more of it is made. */
function isPino(logger: object): logger is FieldsFirst {
  return "bindings" in logger && typeof logger.bindings === "function" && "child" in logger && typeof logger.child === "function";
}

/** The same logger with `fields` on every line. */
export function boundLogger(logger: Logger, fields: LogData): Logger {
  return mapped((level, message, data) => {
    logger[level](message, { ...data, ...fields });
  });
}

/** The logger of one part of OmniQ. */
export function componentLogger(logger: Logger, component: LogComponent): Logger {
  return boundLogger(logger, { component });
}

/** Says nothing. */
export const silentLogger: Logger = mapped(() => {});

/** What was warned of lately, by kind of trouble: shared by the parts of a worker. */
export type Warned = Map<string, { at: number; held: number }>;

/**
 * Warns at most once a second about each kind of trouble; what was held back is counted in the next line. A store that cannot be reached is
 * one trouble, however many parts of a worker meet it.
 */
export class Throttle {
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #seen: Warned;

  constructor(logger: Logger, clock: Clock, warned: Warned = new Map()) {
    this.#logger = logger;
    this.#clock = clock;
    this.#seen = warned;
  }

  warn(message: string, data: LogData): void {
    const now = this.#clock.monotonic();
    const { code } = data;
    const kind = typeof code === "string" && code.startsWith("STORAGE_") ? code : message;
    const seen = this.#seen.get(kind);
    if (seen !== undefined && now - seen.at < (code === "STORAGE_MOVED" ? ONCE_A_MOVED : ONCE_A)) {
      seen.held++;
      return;
    }
    const held = seen?.held ?? 0;
    this.#seen.set(kind, { at: now, held: 0 });
    this.#logger.warn(message, held === 0 ? data : { ...data, heldBack: held });
  }
}

/** What one part of a worker is given to log with. */
export function loggingAs(component: LogComponent, { logger, clock }: { readonly logger: Logger; readonly clock: Clock }, warned: Warned) {
  const own = componentLogger(logger, component);
  return { logger: own, throttle: new Throttle(own, clock, warned) };
}

/** An error as fields of a log line: its name, code and message, never its data. */
export function errorFields(error: unknown): LogData {
  if (!isA(error, Error)) return { error: typeof error };
  const code = "code" in error && typeof error.code === "string" ? { code: error.code } : {};
  return { error: `${error.name}: ${error.message}`, ...code };
}
