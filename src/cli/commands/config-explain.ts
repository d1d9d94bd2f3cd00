/** `omniq config explain`: each value, and where it came from. */
import { originText } from "../../config/check.ts";
import { textOf } from "../../config/kinds.ts";
import { listOptions, variablesOf } from "../../config/options.ts";
import type { ConfigData, ListedOption } from "../../config/options.ts";
import { settingsOf } from "../../config/settings.ts";
import type { Settings } from "../../config/settings.ts";
import { withoutSecrets } from "../../config/url.ts";
import { ConfigError } from "../../core/errors.ts";
import { didYouMean } from "../../core/nearest.ts";
import { EXIT, UsageError } from "../command.ts";
import type { Run } from "../command.ts";
import { configured } from "../configured.ts";
import type { Configured } from "../configured.ts";
import { printTable } from "../table.ts";
import type { Column } from "../table.ts";
import type { Terminal } from "../terminal.ts";
import { plain } from "../text.ts";
import { unreadFiles } from "../unread.ts";

const COLUMNS: readonly Column[] = [
  { head: "OPTION" },
  { head: "VALUE", cut: "end", style: (value) => (value === UNSET ? "dim" : undefined) },
  { head: "FROM", cut: "start", style: (value) => (value === "default" || value === "" ? "dim" : "green") },
];
const UNSET = "not set";

export const run: Run = async (given, terminal) => {
  const asked = optionsCalled(given.argument(0));
  const mistakes: ConfigError[] = [];
  const loaded = await configured(given, terminal, (mistake) => mistakes.push(mistake));
  const settings = mistakes.length === 0 ? settled(loaded, mistakes) : undefined;
  const rows = asked.map((option) => rowOf(option, loaded, settings));
  const [only] = rows;
  if (given.flag("json")) for (const { text: _, ...row } of rows) terminal.json(row);
  else if (only !== undefined && rows.length === 1) printOne(terminal, only, asked[0]);
  else
    await printTable(
      terminal,
      COLUMNS,
      rows.map((row) => [row.option, row.text ?? UNSET, sourceOf(row)]),
    );
  for (const text of unreadFiles(loaded.file)) terminal.note(`${terminal.paintNote("yellow", "note:")} ${plain(text)}`);
  for (const { message, code } of mistakes) terminal.note(`${terminal.paintNote(["red", "bold"], "error:")} ${plain(message)} (${code})`);
  return mistakes.length === 0 ? EXIT.fine : EXIT.failed;
};

/** The option of this path, or all below it. @throws UsageError when there is none. */
function optionsCalled(asked: string | undefined): readonly ListedOption[] {
  const all = listOptions();
  if (asked === undefined) return all;
  const path = asked.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  const found = all.filter((each) => each.path === path || each.path.startsWith(`${path}.`));
  if (found.length > 0) return found;
  const known = new Set(all.flatMap((each) => each.path.split(".").map((_, i, keys) => keys.slice(0, i + 1).join("."))));
  throw new UsageError(
    `Expected an option of the configuration or a part of it, got ${JSON.stringify(asked)}.${didYouMean(path, [...known])}`,
  );
}

function settled({ config, origins }: Configured, mistakes: ConfigError[]): Settings | undefined {
  try {
    return settingsOf(config, origins);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    mistakes.push(error);
    return undefined;
  }
}

interface Row {
  readonly option: string;
  readonly value: unknown;
  /** The value for people; absent: it is not set. */
  readonly text: string | undefined;
  readonly from: string | null;
  /** Where else it was said, without effect. */
  readonly over: readonly string[];
}

function rowOf({ path, option }: ListedOption, { config, origins, shadowed }: Configured, settings: Settings | undefined): Row {
  const value = valueAt(config, path) ?? schemaAt(path, config, settings);
  const origin = origins.get(path) ?? (value === undefined ? undefined : ({ from: "default" } as const));
  const over = (shadowed.get(path) ?? []).map((each) => originText(each));
  if (value === undefined || origin === undefined) return { option: path, value: null, text: undefined, from: null, over };
  const shown = textOf(option.kind, value);
  const text = option.secret ? withoutSecrets(shown) : shown;
  return { option: path, value: option.secret ? text : value, text, from: originText(origin), over };
}

function valueAt(config: unknown, path: string): unknown {
  let value = config;
  for (const key of path.split("."))
    value = typeof value === "object" && value !== null ? Object.entries(value).find(([name]) => name === key)?.[1] : undefined;
  return value;
}

const STORES = ["taskQueue", "resultStore", "eventStore"] as const;

/** A schema that nobody gave, of a store with a server of its own: only there it has a default. */
function schemaAt(path: string, config: ConfigData, settings: Settings | undefined): string | undefined {
  const store = STORES.find((name) => path === `${name}.config.schema`);
  const placed = store === undefined || config[store].config.url === undefined ? undefined : settings?.[store];
  return placed?.type === "postgres" ? placed.schema : undefined;
}

function sourceOf({ from, over }: Row): string {
  const said = over.length === 0 ? "" : `over ${over.join(", ")}`;
  return [from ?? "", said].filter((part) => part !== "").join(" ");
}

/** Nothing is cut: whoever asks for one option wants all of it. */
function printOne(terminal: Terminal, row: Row, listed: ListedOption | undefined): void {
  if (listed === undefined) return;
  const { option } = listed;
  const initial: unknown = "initial" in option ? option.initial : undefined;
  const fields = [
    ["option", row.option],
    ["value", row.text ?? UNSET],
    ["from", sourceOf(row)],
    ["what it is", option.doc],
    ["may be", option.kind.wanted],
    ["default", initial === undefined ? "" : textOf(option.kind, initial)],
    ["variable", variablesOf(listed).join(", ")],
  ] as const;
  for (const [name, value] of fields) if (value !== "") terminal.line(`${terminal.paint("dim", name.padEnd(10))}  ${plain(value)}`);
}
