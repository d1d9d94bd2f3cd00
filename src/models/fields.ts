/** The checks that a model's constructor makes of each field: a wrong value is refused by name, `null` counts as absent. */
import { isDate } from "../core/calendar.ts";
import { milliseconds } from "../core/duration.ts";
import type { Duration } from "../core/duration.ts";
import { expected } from "../core/errors.ts";
import { isStorable } from "../core/text.ts";

/** How a field may be given: `null` for absent, lists readonly, a class's own type as it is. */
type Input<V> = V extends Date ? V : V extends readonly (infer E)[] ? readonly E[] : V;

/** The fields `K` of a model as its constructor takes them; those of `D` are durations. */
export type Given<M, K extends keyof M, D extends K = never> = {
  readonly [P in Exclude<K, D>]?: Input<M[P]> | null | undefined;
} & { readonly [P in D]?: Duration | null | undefined };

/** What `console.log` calls for a text of its own. */
export const INSPECT = Symbol.for("nodejs.util.inspect.custom");

/** A text that is not empty. */
export function text(value: unknown, name: string): string {
  if (typeof value !== "string" || value === "" || !isStorable(value)) {
    throw expected(name, "a text that is not empty, without NUL and halves of surrogate pairs", value);
  }
  return value;
}

/** Any text, or absent. */
export function maybeText(value: unknown, name: string): string | undefined {
  if (value === null || value === undefined) return undefined;
  if (typeof value !== "string") throw expected(name, "a text", value);
  return value;
}

/** A whole number of at least `least`. */
export function whole(value: unknown, name: string, least = Number.MIN_SAFE_INTEGER): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < least) {
    throw expected(name, least === Number.MIN_SAFE_INTEGER ? "a whole number" : `a whole number of at least ${least}`, value);
  }
  return value;
}

export function maybeWhole(value: unknown, name: string, least = 0): number | undefined {
  return value === null || value === undefined ? undefined : whole(value, name, least);
}

export function flag(value: unknown, name: string): boolean {
  if (typeof value !== "boolean") throw expected(name, "true or false", value);
  return value;
}

/** One of a list of words. */
export function word<T extends string>(value: unknown, name: string, words: readonly T[]): T {
  const found = words.find((each) => each === value);
  if (found === undefined) throw expected(name, `one of ${words.map((each) => `"${each}"`).join(", ")}`, value);
  return found;
}

/** A valid `Date`. */
export function date(value: unknown, name: string): Date {
  if (!isDate(value)) throw expected(name, "a valid Date", value);
  return value;
}

export function maybeDate(value: unknown, name: string): Date | undefined {
  return value === null || value === undefined ? undefined : date(value, name);
}

/** Milliseconds of a duration, or absent; below zero only where `negative` allows it. */
export function maybeDuration(value: unknown, name: string, negative = false): number | undefined {
  return value === null || value === undefined ? undefined : milliseconds(value, name, negative);
}

/** A copy of a list of texts. */
export function texts(value: unknown, name: string): string[] {
  if (!Array.isArray(value)) throw expected(name, "a list of texts", value);
  return value.map((each, i) => {
    if (typeof each !== "string") throw expected(`${name}[${i}]`, "a text", each);
    return each;
  });
}

/** Whether a value is a plain object: made by `{}`, `JSON.parse` or without a prototype. */
export function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const proto: unknown = Object.getPrototypeOf(value);
  return proto === Object.prototype || proto === null;
}

export function plain(value: unknown, name: string): Record<string, unknown> {
  if (!isPlain(value)) throw expected(name, "a plain object", value);
  return value;
}

/** When something expires: the given time, else so long after its creation, else never. */
export function expiry(given: unknown, createdAt: Date, ttl: number | undefined): Date | undefined {
  return maybeDate(given, "expiresAt") ?? (ttl === undefined ? undefined : new Date(createdAt.getTime() + ttl));
}
