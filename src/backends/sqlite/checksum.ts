/** Whether what lies in a row still is what was written: SQLite looks at the form of its pages, never at what stands in them. */
import type { Value } from "../shared/values.ts";

const START = 0x811c9dc5 | 0;
const PRIME = 0x01000193;
/** Stands between two texts; no text has it. */
const BETWEEN = 0x10000;

/**
 * FNV-1a over the code units of these texts, the lower 24 bits with their sign, which take three bytes. A change of one unit always changes
 * them, since they depend on no higher ones; any other change, but for one in 16 million. For the short texts of most tasks this takes a tenth of what a call of zlib's crc32 does.
 */
export function checksumOf(...texts: readonly (Value | undefined)[]): number {
  let sum = START;
  for (const text of texts) {
    if (typeof text === "string") for (let i = 0; i < text.length; i++) sum = Math.imul(sum ^ text.charCodeAt(i), PRIME);
    sum = Math.imul(sum ^ BETWEEN, PRIME);
  }
  return (sum << 8) >> 8;
}

/** NULL: written by an older version, or changed with SQL since, and not looked at. */
export function isDamaged(checksum: Value | undefined, ...texts: readonly (Value | undefined)[]): boolean {
  return checksum !== null && checksum !== undefined && checksum !== checksumOf(...texts);
}

/** The columns that the checksum of a row is made of, in this order. */
export const CHECKED = {
  tasks: ["func", "args", "kwargs", "callback"],
  results: ["result", "error_name", "error", "error_code", "error_traceback"],
  schedules: ["rule", "policy", "template"],
} as const;

export type CheckedTable = keyof typeof CHECKED;

/** Whether a row of this table, read with its `checksum`, is not what was written. */
export function isRowDamaged(table: CheckedTable, row: Readonly<Record<string, Value>>): boolean {
  return isDamaged(row["checksum"], ...CHECKED[table].map((column) => row[column]));
}
