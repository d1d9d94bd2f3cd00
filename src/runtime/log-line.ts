/** One log line as text: for people on a terminal, or one JSON object for programs. Whatever its fields hold, it is one line that nothing obeys. */
import type { LogLevel } from "../core/logging.ts";
import { plain, plainJson } from "../core/plain.ts";
import type { LogData } from "./logger.ts";

export interface LogEntry {
  readonly level: LogLevel;
  readonly message: string;
  readonly data: LogData | undefined;
}

/** Colours for a terminal; without them, as they stand. */
export type Paint = (style: "dim" | "cyan" | "green" | "yellow" | "red", text: string) => string;

const COLOURS = { debug: "cyan", info: "green", warn: "yellow", error: "red" } as const;
/** As wide as the widest name of a part. */
const COMPONENT_WIDTH = 9;

/** `09:30:00.125 WARN  worker     A beat could not be written  error="…"`, in the time of the machine. */
export function prettyLine(at: Date, { level, message, data = {} }: LogEntry, paint: Paint): string {
  const { component, ...fields } = data;
  const shown = Object.entries(fields).flatMap(([name, value]) => {
    const text = valueText(value);
    return text === undefined ? [] : [` ${paint("dim", `${plain(name)}=`)}${text}`];
  });
  const word = paint(COLOURS[level], level.toUpperCase().padEnd(5));
  const part = paint("dim", (typeof component === "string" ? plain(component) : "").padEnd(COMPONENT_WIDTH));
  return `${paint("dim", clock(at))} ${word} ${part} ${plain(message)}${shown.length === 0 ? "" : " "}${shown.join("")}`;
}

/** `{"time":…,"level":…,"name":"omniq","component":…,"message":…}` and the fields; one that is called like one of these is given a `_`. */
export function jsonLogLine(at: Date, { level, message, data = {} }: LogEntry): string {
  const { component, ...fields } = data;
  const own = { time: at.toISOString(), level, name: "omniq", component, message };
  const others = Object.entries(fields).map(([name, value]) => [Object.hasOwn(own, name) ? `${name}_` : name, value] as const);
  return jsonOf({ ...own, ...Object.fromEntries(others) }) ?? jsonOf({ ...own, fields: "unreadable" }) ?? "";
}

function clock(at: Date): string {
  const two = (value: number): string => String(value).padStart(2, "0");
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${String(at.getMilliseconds()).padStart(3, "0")}`;
}

/** A word as it is, everything else as JSON. */
function valueText(value: unknown): string | undefined {
  return typeof value === "string" && /^[\w./:@+-]+$/.test(value) ? value : jsonOf(value);
}

/** JSON of anything: what JSON does not know is told in words, what cannot be read is nothing at all. */
function jsonOf(value: unknown): string | undefined {
  const above: unknown[] = [];
  try {
    const json: unknown = JSON.stringify(value, function (this: unknown, _key, each: unknown) {
      while (above.length > 0 && above.at(-1) !== this) above.pop();
      if (typeof each === "bigint") return String(each);
      if (each instanceof Error) return `${each.name}: ${each.message}`;
      if (typeof each !== "object" || each === null) return each;
      if (above.includes(each)) return "[circular]";
      above.push(each);
      return each;
    });
    return typeof json === "string" ? plainJson(json) : undefined;
  } catch {
    return undefined;
  }
}
