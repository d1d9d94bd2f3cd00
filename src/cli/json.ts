/** JSON that somebody typed. */

/**
 * Reads it. A number that JavaScript would take for another one is refused instead of changed: 9007199254740993, 1e999.
 * @throws SyntaxError, RangeError where it is nested without end.
 */
export function readJson(text: string): unknown {
  return JSON.parse(text, (_key, value: unknown, context?: { readonly source?: string }): unknown => {
    const source = typeof value === "number" ? context?.source : undefined;
    if (source !== undefined && !isHeld(Number(value), source))
      throw new SyntaxError(`JavaScript has no number ${source.length > 40 ? "so long" : source}: write it as a text`);
    return value;
  });
}

/** A fraction is as near as it can be; a whole number is that number or another one. */
function isHeld(value: number, source: string): boolean {
  return Number.isFinite(value) && (!/^-?\d+$/.test(source) || BigInt(source) === BigInt(value));
}
