/** What is wrong with a YAML document as a configuration, in words for people. */
import type * as Yaml from "yaml";
import type { Document, LineCounter, Node, YAMLError } from "yaml";
import { withoutSecrets } from "./url.ts";

export interface Problem {
  readonly message: string;
  /** Where it begins, counted in characters. */
  readonly offset: number;
}

/** Tags of plain data; what others stand for (dates, bytes, sets, code) is no value of any option. */
const PLAIN_TAGS = new Set(["str", "int", "float", "bool", "null", "map", "seq"].map((name) => `tag:yaml.org,2002:${name}`));

/** The first problem: of syntax, else of what a configuration does not take, else what the parser only warns of. */
export function problemIn(yaml: typeof Yaml, doc: Document, lines: LineCounter): Problem | undefined {
  const [error] = doc.errors;
  if (error !== undefined) return inOurWords(error);
  const found = foreignIn(yaml, doc, lines);
  if (found !== undefined) return found;
  const [warning] = doc.warnings;
  return warning === undefined ? undefined : inOurWords(warning);
}

function inOurWords({ code, message, pos }: YAMLError): Problem {
  const offset = pos[0];
  if (code === "MULTIPLE_DOCS") return { message: "Another document begins here, and a configuration is one", offset };
  if (message.includes("call stack")) return { message: "It is nested too deeply", offset };
  // Some messages end with a piece of the file, which may hold a password.
  return { message: withoutSecrets((message.split("\n")[0] ?? "").replace(/: ".*$/, "")), offset };
}

/** Looks at each node once; the parser's own search for keys that stand twice takes minutes where there are many. */
function foreignIn(yaml: typeof Yaml, doc: Document, lines: LineCounter): Problem | undefined {
  const anchors = new Set<string>();
  let found: Problem | undefined;
  const look = (node: Node): symbol | undefined => {
    const message = yaml.isAlias(node) ? aliasProblem(node.source, anchors) : tagProblem(node.tag);
    found = message === undefined ? mapProblem(yaml, node, lines) : { message, offset: startOf(node) ?? 0 };
    if (!yaml.isAlias(node) && node.anchor !== undefined) anchors.add(node.anchor);
    return found === undefined ? undefined : yaml.visit.BREAK;
  };
  yaml.visit(doc, { Node: (_, node) => look(node) });
  return found;
}

/** An unquoted `cron: *` with more behind it makes one without an anchor. */
function aliasProblem(source: string, anchors: ReadonlySet<string>): string | undefined {
  return anchors.has(source) ? undefined : "There is no anchor for this alias before it";
}

function tagProblem(tag: string | undefined): string | undefined {
  if (tag === undefined || PLAIN_TAGS.has(tag)) return undefined;
  const written = tag.replace(/^tag:yaml\.org,2002:/, "!!");
  return `The tag \`${withoutSecrets(written)}\` is not taken: a configuration has only plain texts, numbers, true, false, lists and mappings`;
}

function mapProblem(yaml: typeof Yaml, node: Node, lines: LineCounter): Problem | undefined {
  if (!yaml.isMap(node)) return undefined;
  const seen = new Map<string, number>();
  for (const { key } of node.items) {
    const offset = startOf(key) ?? startOf(node) ?? 0;
    if (!yaml.isScalar(key)) return { message: "A key must be a text", offset };
    const name = String(key.value);
    if (name === "<<" && key.type === "PLAIN") return { message: "Merge keys (`<<`) are not taken: write the values out", offset };
    const before = seen.get(name);
    if (before !== undefined)
      return { message: `\`${withoutSecrets(name)}\` is given twice, first on line ${lines.linePos(before).line}`, offset };
    seen.set(name, offset);
  }
  return undefined;
}

/** Where a node of the document begins, counted in characters. */
export function startOf(node: unknown): number | undefined {
  if (typeof node !== "object" || node === null || !("range" in node) || !Array.isArray(node.range)) return undefined;
  const start: unknown = node.range[0];
  return typeof start === "number" ? start : undefined;
}
