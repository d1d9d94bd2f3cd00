import { expected } from "./errors.ts";

/** A length of time: milliseconds as a number, or text such as `"250ms"`, `"5s"`, `"1h30m"`, `"7d"`. */
export type Duration = number | `${number}${"ms" | "s" | "m" | "h" | "d"}` | (string & {});

const UNIT = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000, ms: 1 } as const;
const WHOLE = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/;
const PART = /(\d+(?:\.\d+)?)(ms|s|m|h|d)/g;
/** A hundred years: beyond it a number is more likely a date or a mistake. */
export const LONGEST = 36_525 * 86_400_000;

/**
 * Milliseconds of a duration.
 * @param name what the option is called, for the error.
 * @throws InvalidOptionError when it is neither a finite number nor such text, or is negative (unless `negative` allows it) or over a hundred years.
 */
export function milliseconds(value: unknown, name: string, negative = false): number {
  const wanted = `a duration (milliseconds, or text such as "5s" or "1h30m")`;
  const ms = typeof value === "string" ? fromText(value.trim()) : value;
  if (typeof ms !== "number" || !Number.isFinite(ms)) throw expected(name, wanted, value);
  if (ms < 0 && !negative) throw expected(name, `${wanted} of at least 0`, value);
  if (Math.abs(ms) > LONGEST) throw expected(name, `${wanted} of at most a hundred years`, value);
  return Math.round(ms);
}

function fromText(text: string): number | undefined {
  const negative = text.startsWith("-");
  const body = negative ? text.slice(1) : text;
  if (!WHOLE.test(body)) return undefined;
  let sum = 0;
  body.replaceAll(PART, (part, count: string, unit: keyof typeof UNIT) => {
    sum += Number(count) * UNIT[unit];
    return part;
  });
  return negative ? -sum : sum;
}

/** A duration for people: `"1h 30m"`, `"2.5s"`, `"12ms"`. */
export function formatDuration(ms: number): string {
  if (ms < 0) return `-${formatDuration(-ms)}`;
  if (ms < 999.95) return `${Math.round(ms * 10) / 10}ms`;
  if (ms < 59_950) return `${Math.round(ms / 100) / 10}s`;
  const parts: string[] = [];
  let rest = Math.round(ms / 1_000) * 1_000;
  for (const unit of ["d", "h", "m", "s"] as const) {
    const count = Math.floor(rest / UNIT[unit]);
    if (count > 0) parts.push(`${count}${unit}`);
    rest -= count * UNIT[unit];
  }
  return parts.slice(0, 2).join(" ");
}
