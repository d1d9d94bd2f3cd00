/** Checks of the options that a definition, an enqueue, a schedule and the configuration share. */
import { milliseconds } from "../core/duration.ts";
import { expected } from "../core/errors.ts";
import { isStorable } from "../core/text.ts";
import type { CheckedDefaults, TaskDefaults } from "./signatures.ts";

export const DEFAULT_KEYS = [
  "queueName",
  "priority",
  "tags",
  "maxRetries",
  "retryDelay",
  "backoff",
  "timeout",
  "ttl",
  "resultTtl",
  "storeResult",
  "atMostOnce",
  "maxCrashes",
] as const satisfies readonly (keyof TaskDefaults)[];

/**
 * Checks them; those that are absent stay absent.
 * @throws InvalidOptionError naming the first wrong one.
 */
export function checkDefaults(given: TaskDefaults): CheckedDefaults {
  const out: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(given)) if (value !== undefined && isDefault(key)) out[key] = CHECKS[key](value, key);
  return out;
}

function isDefault(key: string): key is keyof typeof CHECKS {
  return Object.hasOwn(CHECKS, key);
}

const CHECKS: Readonly<Record<(typeof DEFAULT_KEYS)[number], (value: unknown, name: string) => unknown>> = {
  queueName,
  priority: (value, name) => whole(value, name, Number.MIN_SAFE_INTEGER),
  tags,
  maxRetries: (value, name) => whole(value, name, 0),
  retryDelay: (value, name) => milliseconds(value, name),
  backoff(value, name) {
    if (value !== "fixed" && value !== "exponential") throw expected(name, '"fixed" or "exponential"', value);
    return value;
  },
  timeout: positive,
  ttl: positive,
  resultTtl: (value, name) => milliseconds(value, name),
  storeResult: flag,
  atMostOnce: flag,
  maxCrashes: (value, name) => whole(value, name, 1),
};

/** A duration over 0, in milliseconds. */
function positive(value: unknown, name: string): number {
  const ms = milliseconds(value, name);
  if (ms <= 0) throw expected(name, "a duration longer than 0", value);
  return ms;
}

function flag(value: unknown, name: string): boolean {
  if (typeof value !== "boolean") throw expected(name, "true or false", value);
  return value;
}

/** A whole number of at least `least`. */
export function whole(value: unknown, name: string, least: number): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < least) {
    throw expected(name, least === Number.MIN_SAFE_INTEGER ? "a whole number" : `a whole number of at least ${least}`, value);
  }
  return value;
}

/** Text of 1 to `longest` characters. */
export function text(value: unknown, name: string, longest: number): string {
  if (typeof value !== "string" || value === "" || value.length > longest || !isStorable(value))
    throw expected(name, `text of 1 to ${longest} characters, without NUL and halves of surrogate pairs`, value);
  return value;
}

/** The name of a queue. */
export function queueName(value: unknown, name: string): string {
  return text(value, name, 200);
}

/** An array of words. */
export function tags(value: unknown, name: string): readonly string[] {
  if (!Array.isArray(value)) throw expected(name, "an array of words", value);
  // Read once: what was looked at is what is stored.
  return [...new Set(Array.from(value, (tag) => text(tag, `${name}[]`, 200)))];
}
