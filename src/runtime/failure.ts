/** Whatever a handler throws, as the text that is stored: truncated, and read with care, since its getters are user code too. */
import { describe, FatalError } from "../core/errors.ts";
import type { Failure } from "../core/record.ts";
import { storable } from "../core/text.ts";

/** Characters of a stored message; of a stored stack, with its causes. */
const LONGEST_MESSAGE = 10_000;
const LONGEST_STACK = 20_000;
const LONGEST_NAME = 200;
/** Causes that are told. */
const DEEPEST = 5;

/** `instanceof` for what a handler threw: false where even that question throws. */
export function isA<T>(value: unknown, type: abstract new (...args: never) => T): value is T {
  try {
    return value instanceof type;
  } catch {
    return false;
  }
}

/** Never throws, not even at what cannot be looked at, such as a revoked proxy. */
export function toFailure(error: unknown): Failure {
  if (typeof error !== "object" || error === null) return { name: "Error", message: cut(plainText(error), LONGEST_MESSAGE) };
  const name = textOf(error, "name") ?? "Error";
  const message = textOf(error, "message") ?? jsonOf(error);
  const stack = stackOf(error);
  const code = read(error, "code");
  return {
    name: cut(name === "" ? "Error" : name, LONGEST_NAME),
    message: cut(message, LONGEST_MESSAGE),
    ...(stack === undefined ? {} : { stack }),
    ...(typeof code === "string" || typeof code === "number" ? { code: cut(String(code), LONGEST_NAME) } : {}),
  };
}

/** Whether an error says itself that no retry will help: by its class, or by its name where it comes from another copy of the library. */
export function isFatal(error: unknown): boolean {
  return isA(error, FatalError) || (typeof error === "object" && error !== null && read(error, "name") === "FatalError");
}

function stackOf(error: object): string | undefined {
  const own = textOf(error, "stack");
  if (own === undefined) return undefined;
  let text = cut(own, LONGEST_STACK);
  let cause = read(error, "cause");
  for (let depth = 0; cause !== undefined && cause !== null && depth < DEEPEST && text.length < LONGEST_STACK; depth++) {
    const isObject = typeof cause === "object";
    text += `\n[cause]: ${isObject ? (textOf(cause, "stack") ?? textOf(cause, "message") ?? "an object") : plainText(cause)}`;
    cause = isObject ? read(cause, "cause") : undefined;
  }
  return cut(text, LONGEST_STACK);
}

function read(from: object, key: string): unknown {
  try {
    return Reflect.get(from, key);
  } catch {
    return undefined;
  }
}

function textOf(from: object, key: string): string | undefined {
  const value = read(from, key);
  return typeof value === "string" ? value : undefined;
}

/** What was thrown instead of an error is told whole: it is the only trace. */
function plainText(value: unknown): string {
  return typeof value === "string" ? value : describe(value);
}

function jsonOf(value: object): string {
  try {
    return JSON.stringify(value) ?? describe(value);
  } catch {
    return describe(value);
  }
}

/** At most `most` characters that can be stored, never ending in half of one. */
function cut(given: string, most: number): string {
  const text = storable(given);
  if (text.length <= most) return text;
  const short = text.slice(0, most - 1);
  return `${/[\uD800-\uDBFF]$/.test(short) ? short.slice(0, -1) : short}…`;
}
