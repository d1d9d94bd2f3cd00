/** What a value of the configuration can be: how it is read, from text too, and what it is called when it is something else. */
import { formatDuration, LONGEST, milliseconds } from "../core/duration.ts";
import type { Duration } from "../core/duration.ts";
import { LOG_LEVELS } from "../core/logging.ts";
import type { LogLevel } from "../core/logging.ts";
import type { Ms } from "../core/record.ts";
import { sqlitePathOf } from "./url.ts";
import { BEHIND_POSTGRES, isPostgresUrl } from "../core/url.ts";

/** The part of JSON Schema (draft 07) that is used here. */
export interface JsonSchema {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly minItems?: number;
  readonly uniqueItems?: boolean;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
}

/** `T` is what is kept, `In` what may be given. */
export interface Kind<T, In = T> {
  /** Ends *Expected `x` to be …*, and says in the documentation what may be given. */
  readonly wanted: string;
  /** The value as it is kept, or `undefined` when it is something else. */
  readonly read: (value: unknown) => T | undefined;
  /** The text of a variable as a value that `read` may take. */
  readonly fromText: (text: string) => unknown;
  /** What a file may hold, for editors: never less than `read` takes, and no more where a JSON Schema can say so. */
  readonly schema: JsonSchema;
  /** A kept value for people; without it, as it is. */
  readonly toText?: (value: T) => string;
  /** Only ever for the type. */
  readonly takes?: In;
}

/** A value for people, as it is kept. */
export function textOf<T>(kind: Kind<T, unknown>, value: T): string {
  return kind.toText?.(value) ?? (typeof value === "string" ? value : JSON.stringify(value));
}

const asIs = (text: string): unknown => text;
const name = (maxLength: number): JsonSchema => ({ type: "string", minLength: 1, maxLength, pattern: "^[^\\u0000-\\u001F\\u007F]*$" });
/** A pattern for a word in any case: JSON Schema has no flag for it. */
const anyCase = (word: string): string => word.replaceAll(/[a-z]/g, (letter) => `[${letter}${letter.toUpperCase()}]`);
/** A character of the path of a URL that has slashes, where `%` begins two digits. */
const URL_PATH = "(?:[^?#%\\u0000]|%[0-9a-fA-F]{2})";
/** A number where the text is one, else the text. */
const numeric = (text: string): unknown => (/^[+-]?\d+(?:\.\d+)?$/.test(text) ? Number(text) : text);

/** The name of a project, which names its file. */
export const projectName: Kind<string> = {
  wanted: "a name of 1 to 200 characters that can name a file",
  read: (value) => (isText(value, 200) && value !== "." && value !== ".." && !/[/\\]/.test(value) ? value : undefined),
  fromText: asIs,
  schema: { ...name(200), pattern: "^(?!\\.{1,2}$)[^/\\\\\\u0000-\\u001F\\u007F]*$" },
};

/** The path of a folder. */
export const folder: Kind<string> = {
  wanted: "the path of a folder",
  read: (value) => (isText(value, 4_096) && !/^[a-z][\w+.-]*:\/\//i.test(value) ? value : undefined),
  fromText: asIs,
  schema: { ...name(4_096), pattern: "^(?![a-zA-Z][\\w+.-]*://)[^\\u0000-\\u001F\\u007F]*$" },
};

/** Where a store lies, as a URL. */
export const storeUrl: Kind<string> = {
  wanted:
    "the URL of a store, such as `sqlite:./data/shop.db`, `sqlite:///var/lib/shop.db`, `sqlite::memory:` or `postgres://user@host/database`",
  read: (value) => (typeof value === "string" && (sqlitePathOf(value) !== undefined || isPostgresUrl(value)) ? value : undefined),
  fromText: asIs,
  schema: {
    type: "string",
    pattern: `^(?:${anyCase("sqlite")}:(?:(?!//)[^?#\\u0000]+|//(?=/[^/])${URL_PATH}+|///)|:memory:|${anyCase("postgres")}(?:${anyCase("ql")})?:${BEHIND_POSTGRES})$`,
  },
};

const SCHEMA = /^(?!pg_|information_schema$)[A-Za-z_][A-Za-z0-9_]{0,49}$/i;
/** A schema of a PostgreSQL database. */
export const schemaName: Kind<string> = {
  wanted: "1 to 50 letters, digits and `_`, not beginning with a digit or `pg_`, nor `information_schema`",
  read: (value) => (typeof value === "string" && SCHEMA.test(value) ? value : undefined),
  fromText: asIs,
  schema: { type: "string", pattern: `^(?!${anyCase("pg_")}|${anyCase("information_schema")}$)[A-Za-z_][A-Za-z0-9_]{0,49}$` },
};

const PREFIX = /^(?:[A-Za-z_][A-Za-z0-9_]{0,30})?$/;
export const tablePrefix: Kind<string> = {
  wanted: "at most 31 letters, digits and `_`, not beginning with a digit",
  read: (value) => (typeof value === "string" && PREFIX.test(value) ? value : undefined),
  fromText: asIs,
  schema: { type: "string", pattern: PREFIX.source },
};

export const queueName: Kind<string> = {
  wanted: "the name of a queue, of 1 to 200 characters",
  read: (value) => (isText(value, 200) ? value : undefined),
  fromText: asIs,
  schema: name(200),
};

/** Queues in the order in which they are served; in a variable parted by commas. */
export const queueNames: Kind<string[], readonly string[]> = {
  wanted: "a list of queue names, at least one and none twice",
  read(value) {
    if (!Array.isArray(value) || value.length === 0) return undefined;
    const names = value.map((each) => queueName.read(each));
    return names.every((each) => each !== undefined) && new Set(names).size === names.length ? names : undefined;
  },
  fromText: (text) => text.split(",").map((each) => each.trim()),
  schema: { type: "array", items: name(200), minItems: 1, uniqueItems: true },
  toText: (names) => names.join(", "),
};

/** One of some words, in any case. */
export function word<const T extends string>(...words: readonly T[]): Kind<T> {
  const list = words.map((each) => `"${each}"`);
  return {
    wanted: list.length === 1 ? `${list.join("")} (the only one so far)` : `one of ${list.join(", ")}`,
    read: (value) => words.find((each) => typeof value === "string" && each === value.toLowerCase()),
    fromText: asIs,
    schema: wordSchema(words, words),
  };
}

/** Words as they are proposed, and as they are taken: in any case. */
function wordSchema(proposed: readonly string[], taken: readonly string[]): JsonSchema {
  return { anyOf: [{ enum: proposed }, { type: "string", pattern: `^(?:${taken.map((each) => anyCase(each)).join("|")})$` }] };
}

/** From which messages are written. */
export const logLevel: Kind<LogLevel | "off"> = {
  wanted: word(...LOG_LEVELS, "off").wanted,
  read(value) {
    const plain = word(...LOG_LEVELS, "warning", "off").read(value);
    return plain === "warning" ? "warn" : plain;
  },
  fromText: asIs,
  schema: wordSchema([...LOG_LEVELS, "off"], [...LOG_LEVELS, "warning", "off"]),
};

export function whole(least: number): Kind<number> {
  return {
    wanted: `a whole number of at least ${least}`,
    read: (value) => (typeof value === "number" && Number.isSafeInteger(value) && value >= least ? value : undefined),
    fromText: numeric,
    schema: { type: "integer", minimum: least, maximum: Number.MAX_SAFE_INTEGER },
  };
}

/** A fraction of a millisecond is rounded. */
const lengths = (least: 0 | 1): readonly JsonSchema[] => [
  { type: "number", minimum: least / 2, maximum: LONGEST },
  { type: "string", pattern: `^\\s*${least === 0 ? "" : "(?=[\\d.a-z]*[1-9])"}(?:\\d+(?:\\.\\d+)?(?:ms|s|m|h|d))+\\s*$` },
];
const LENGTH = 'milliseconds, or text such as "5s" or "1h30m"';

/** A duration, kept as milliseconds; `least` is 0 or 1. */
export function duration(least: 0 | 1): Kind<Ms, Duration> {
  return {
    wanted: `a duration${least === 1 ? " longer than 0" : ""} (${LENGTH})`,
    read(value) {
      const ms = durationMs(value);
      return ms === undefined || ms < least ? undefined : ms;
    },
    fromText: numeric,
    schema: { anyOf: lengths(least) },
    toText: formatDuration,
  };
}

/** How long something is kept; `false` for ever. */
export const keepFor: Kind<Ms | false, Duration | false> = {
  wanted: `a duration (${LENGTH}), or false to keep for ever`,
  read: (value) => (value === false ? false : durationMs(value)),
  fromText: numeric,
  schema: { anyOf: [...lengths(0), { const: false }] },
  toText: (value) => (value === false ? "false" : formatDuration(value)),
};

const FLAGS: ReadonlyMap<string, boolean> = new Map([
  ["true", true],
  ["1", true],
  ["yes", true],
  ["on", true],
  ["false", false],
  ["0", false],
  ["no", false],
  ["off", false],
]);

export const flag: Kind<boolean> = {
  wanted: "true or false",
  read: (value) => (typeof value === "boolean" ? value : undefined),
  fromText: (text) => FLAGS.get(text.toLowerCase()) ?? text,
  schema: { type: "boolean" },
};

function durationMs(value: unknown): Ms | undefined {
  // `-0s` is not below 0.
  if (typeof value === "string" && value.trimStart().startsWith("-")) return undefined;
  try {
    return milliseconds(value, "");
  } catch {
    return undefined;
  }
}

/** Text of 1 to `longest` characters, none of them a control character. */
function isText(value: unknown, longest: number): value is string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  return typeof value === "string" && value !== "" && value.length <= longest && !/[\u0000-\u001F\u007F]/.test(value);
}
