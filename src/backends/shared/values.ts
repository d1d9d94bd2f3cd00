/** Values as a driver gives them, read with the least assumptions: what somebody changed by hand must not stop other rows. */

/** What a column may hold. */
export type Value = string | number | bigint | null | Uint8Array;
export type Row = Readonly<Record<string, Value>>;

/** The number in a column that is never NULL. */
export function int(value: Value | undefined): number {
  return typeof value === "number" ? value : Number(value);
}

export function optionalInt(value: Value | undefined): number | undefined {
  return typeof value === "number" ? value : undefined;
}

export function str(value: Value | undefined): string {
  return typeof value === "string" ? value : String(value);
}

export function optionalStr(value: Value | undefined): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** A parsed JSON column; the guard is the shape check at its use. Broken by hand it reads as absent: it must not stop other rows. */
export function json(value: Value | undefined): unknown {
  if (typeof value !== "string") return undefined;
  try {
    return JSON.parse(value);
  } catch {
    return undefined;
  }
}
