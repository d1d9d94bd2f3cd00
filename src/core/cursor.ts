/** Cursors: opaque to whoever is given one, a whole number to the backends here, or a time and a number. */
import { expected } from "./errors.ts";

/**
 * The place that a cursor names.
 * @throws InvalidOptionError for a text that no page and no event has given: it would silently mean the beginning, or nothing.
 */
export function placeOf(cursor: string): number {
  const place = /^\d{1,16}$/.test(cursor) ? Number(cursor) : Number.NaN;
  if (!Number.isSafeInteger(place)) throw notAnswered(cursor);
  return place;
}

/**
 * The time and the number that a cursor names.
 * @throws InvalidOptionError as `placeOf` does, and for a cursor of another order.
 */
export function pairOf(cursor: string): readonly [number, number] {
  const [, time, place] = /^(-?\d{1,16})\.(\d{1,16})$/.exec(cursor) ?? [];
  const pair = [Number(time), Number(place)] as const;
  if (!pair.every((part) => Number.isSafeInteger(part))) throw notAnswered(cursor);
  return pair;
}

function notAnswered(cursor: string): Error {
  return expected("after", "a cursor that was answered before", cursor);
}
