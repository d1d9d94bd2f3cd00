/** A configuration file, in YAML or JSON (which is YAML too): its data, and where each value stands. */
import type * as Yaml from "yaml";
import type { Document, LineCounter, YAMLMap } from "yaml";
import { ConfigError } from "../core/errors.ts";
import type { Origin, Source } from "./check.ts";
import { withoutSecrets } from "./url.ts";
import { problemIn, startOf } from "./yaml-problem.ts";
import type { Problem } from "./yaml-problem.ts";

/** No configuration is longer, in characters: one that is generated may still have a thousand lines, and reading it takes no second. */
const LONGEST = 131_072;
/** An alias may stand for so many values; more is an attack on the memory. */
const ALIASES = 100;

/**
 * Reads the text of a file.
 * @param file its name in errors.
 * @throws ConfigError `CONFIG_SYNTAX` with line and column; `CONFIG_INVALID` when it is too long.
 */
export async function parseFile(text: string, file: string): Promise<Source> {
  if (text.length > LONGEST) {
    throw new ConfigError("CONFIG_INVALID", `Expected ${file} to be at most ${LONGEST} characters, got ${text.length}`);
  }
  // Only here, so that a program without a file does not load it.
  const yaml = await import("yaml");
  const lines = new yaml.LineCounter();
  const doc = attempt(file, () =>
    yaml.parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false, logLevel: "error" }),
  );
  const problem = attempt(file, () => problemIn(yaml, doc, lines));
  if (problem !== undefined) throw syntaxError(problem, text, file, lines);
  const data: unknown = attempt(file, () => doc.toJS({ maxAliasCount: ALIASES }));
  return { data: data ?? {}, where: (keys, what) => find(yaml, { doc, file, lines }, keys, what) };
}

const nameOf = (file: string): string => (/\.json$/i.test(file) ? "JSON" : "YAML");

/** What the parser answers, unless the file makes it give up: aliases that multiply, no end of nesting. */
function attempt<T>(file: string, step: () => T): T {
  try {
    return step();
  } catch (cause) {
    const why = cause instanceof RangeError ? "it is nested too deeply" : `its aliases stand for more than ${ALIASES} values each`;
    throw new ConfigError("CONFIG_SYNTAX", `Expected ${file} to be readable ${nameOf(file)}, but ${why}`, { cause });
  }
}

function syntaxError({ message, offset }: Problem, text: string, file: string, lines: LineCounter): ConfigError {
  const { line, col } = lines.linePos(offset);
  return new ConfigError(
    "CONFIG_SYNTAX",
    `Expected ${file} to be ${nameOf(file)}, got an error (${file}:${line}:${col}): ${message}${hintFor(text, line)}`,
  );
}

/** A cron expression that begins with `*` reads as an alias unless it stands in quotes. */
function hintFor(text: string, line: number): string {
  const value = /(?<!<<)[:-]\s+(?<value>\*.*?)\s*$/.exec(text.split(/\r\n|\r|\n/)[line - 1] ?? "")?.groups?.["value"];
  return value === undefined ? "" : `. A value that begins with \`*\` must stand in quotes: "${withoutSecrets(value)}"`;
}

interface Parsed {
  readonly doc: Document;
  readonly file: string;
  readonly lines: LineCounter;
}

/** Where the value of the last key stands, or the key itself; the nearest thing around it when it cannot be told. */
function find(yaml: typeof Yaml, { doc, file, lines }: Parsed, keys: readonly string[], what: "key" | "value"): Origin {
  let node: unknown = doc.contents;
  let offset = startOf(node) ?? 0;
  for (const [i, key] of keys.entries()) {
    const map: unknown = yaml.isAlias(node) ? node.resolve(doc) : node;
    const pair = yaml.isMap(map) ? pairOf(yaml, map, key) : undefined;
    if (pair === undefined) break;
    node = pair.value;
    const start = what === "key" && i === keys.length - 1 ? startOf(pair.key) : (startOf(node) ?? startOf(pair.key));
    offset = start ?? offset;
  }
  const { line, col } = lines.linePos(offset);
  return { from: "file", file, line, column: col };
}

function pairOf(yaml: typeof Yaml, map: YAMLMap, key: string): { readonly key: unknown; readonly value: unknown } | undefined {
  return map.items.find((pair) => yaml.isScalar(pair.key) && String(pair.key.value) === key);
}
