/** Text for people: nothing that a terminal would obey, how wide it is there, and how it is cut. */

import { plain, plainJson } from "../core/plain.ts";

export { plain };

/** The same for text of several lines, such as a stack: its line ends stay. */
export function plainLines(text: string): readonly string[] {
  return text.split(/\r?\n/).map((line) => plain(line.replaceAll("\t", "  ")));
}

/** JSON on one line. */
export function jsonLine(value: unknown): string {
  return plainJson(JSON.stringify(value));
}

/** JSON for people: what fits into so many columns stands on one line, the rest is broken up. */
export function jsonLines(value: unknown, columns: number): readonly string[] {
  const whole = jsonLine(value);
  if (widthOf(whole) <= columns || typeof value !== "object" || value === null) return [whole];
  const isList = Array.isArray(value);
  const parts = Object.entries(value).filter(([, part]) => part !== undefined);
  const inner = parts.flatMap(([key, part], i) => {
    const name = isList ? "" : `${jsonLine(key)}: `;
    const [first = "", ...rest] = jsonLines(part, columns - INDENT.length - widthOf(name));
    const lines = [`${name}${first}`, ...rest];
    const comma = i < parts.length - 1 ? "," : "";
    return lines.map((line, j) => `${INDENT}${line}${j === lines.length - 1 ? comma : ""}`);
  });
  return [isList ? "[" : "{", ...inner, isList ? "]" : "}"];
}

const INDENT = "  ";

const WIDE = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\u3000-\u303F\uFF01-\uFF60]/u;
const NO_WIDTH = /[\p{M}\u200B-\u200D]/u;

/** The columns that a text without control characters takes on a terminal. */
export function widthOf(text: string): number {
  let width = 0;
  for (const character of text) width += NO_WIDTH.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
  return width;
}

/** At most so many columns, cut with `…`. */
export function cut(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text;
  let kept = "";
  let width = 1;
  for (const character of text) {
    width += widthOf(character);
    if (width > columns) break;
    kept += character;
  }
  return `${kept}…`;
}

/** The same, with the beginning cut away: of a path, the end says more. */
export function cutStart(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text;
  let kept = "";
  let width = 1;
  for (const character of Array.from(text).toReversed()) {
    width += widthOf(character);
    if (width > columns) break;
    kept = character + kept;
  }
  return `…${kept}`;
}

/** `1,234`. */
export function number(value: number): string {
  return value.toLocaleString("en-US", { maximumFractionDigits: value < 100 ? 1 : 0 });
}

/** Tasks of a phase are counted up to here. */
const COUNTED = 10_000;

/** `1,234`, and `10,000+` where counting stops. */
export function tally(value: number): string {
  return value < COUNTED ? number(value) : `${number(COUNTED)}+`;
}

/** `1 task`, `2,000 tasks`. */
export function count(value: number, noun: string): string {
  return `${number(value)} ${noun}${value === 1 ? "" : "s"}`;
}

/** Local time to the millisecond, as `2026-03-01 09:30:00.125`. */
export function time(date: Date): string {
  const two = (value: number): string => String(value).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return `${day} ${clock}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

/** Lines of whole words. */
export function wrapped(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const line = lines.at(-1);
    if (line === undefined || line.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = `${line} ${word}`;
  }
  return lines;
}

/** One word of a command line, as a shell reads it back. */
export function shellQuoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

/** `12 B`, `3.4 KB`, `1.2 GB`: in steps of 1,000. */
export function bytes(value: number): string {
  const steps = ["B", "KB", "MB", "GB", "TB"];
  const step = Math.min(steps.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, value)) / 3)));
  return `${number(value / 1_000 ** step)} ${steps[step] ?? ""}`;
}
