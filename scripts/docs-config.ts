/** The table of options in docs/configuration.md, from the table in src/config/options.ts. `--check` only says whether it is current. */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { textOf } from "../src/config/kinds.ts";
import { listOptions, variablesOf } from "../src/config/options.ts";

const PAGE = new URL("../docs/configuration.md", import.meta.url);
const [BEGIN, END] = ["<!-- options: made by scripts/docs-config.ts -->", "<!-- options: end -->"];

/** The page with the table as it should be now. */
export function withTable(page: string): string {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`Expected docs/configuration.md to have the marks ${BEGIN} and ${END}`);
  return `${page.slice(0, begin + BEGIN.length)}\n\n${table()}\n\n${page.slice(end)}`;
}

function table(): string {
  const rows = listOptions().map(({ path, option }) => [
    `\`${path}\``,
    `${option.doc}${wordsOf(option.kind.wanted)}`,
    "initial" in option ? code(textOf(option.kind, option.initial)) : "",
    variablesOf({ path, option })
      .map((name) => code(name))
      .join(", "),
  ]);
  const head = [
    ["option", "what it is", "default", "variable"],
    ["---", "---", "---", "---"],
  ];
  return [...head, ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

const code = (text: string): string => `\`${text}\``;
/** A choice of words is worth a line; that a queue has a name is not. */
const wordsOf = (wanted: string): string => (wanted.startsWith("one of") ? ` O${wanted.slice(1)}.` : "");

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const page = readFileSync(PAGE, "utf8");
  const wanted = withTable(page);
  if (!process.argv.includes("--check")) writeFileSync(PAGE, wanted);
  else if (page !== wanted) {
    process.stderr.write("docs/configuration.md is not current: run `node scripts/docs-config.ts`\n");
    process.exitCode = 1;
  }
}
