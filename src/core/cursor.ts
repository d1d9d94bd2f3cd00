/** Cursors: opaque to whoever is given one, a whole number to the backends here. */
import { expected } from "./errors.ts";

/**
 * The place that a cursor names.
 * @throws InvalidOptionError for a text that no page and no event has given: it would silently mean the beginning, or nothing.
 */
export function placeOf(cursor: string): number {
  const place = /^\d{1,16}$/.test(cursor) ? Number(cursor) : Number.NaN;
  if (!Number.isSafeInteger(place)) throw expected("after", "a cursor that was answered before", cursor);
  return place;
}
