import { expected } from "./errors.ts";
import type { Ms } from "./record.ts";

const END: Ms = Date.UTC(10_000, 0, 1);

/** Whether a value is a valid `Date`: what has only the prototype of one has no time, and throws when it is asked. */
export function isDate(value: unknown): value is Date {
  try {
    return value instanceof Date && !Number.isNaN(value.getTime());
  } catch {
    return false;
  }
}

/**
 * A time that others are counted from: where it lies near the end of what a `Date` holds, those would be none.
 * @throws InvalidOptionError when it does not lie from 1970 to the end of 9999.
 */
export function calendarTime(at: Ms, name: string): Ms {
  if (at < 0 || at >= END) throw expected(name, "a time from 1970 to the end of 9999", new Date(at));
  return at;
}
