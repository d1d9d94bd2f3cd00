import { stripVTControlCharacters } from "node:util";
import { describe, expect, test } from "vitest";
import { printFields, printTable } from "../../../src/cli/table.ts";
import type { Column } from "../../../src/cli/table.ts";
import { widthOf } from "../../../src/cli/text.ts";
import { fakeTerminal } from "./fake-terminal.ts";

const COLUMNS: readonly Column[] = [
  { head: "ID", cut: "end" },
  { head: "FILE", cut: "start" },
  { head: "COUNT", align: "right" },
];
const ROWS = [
  ["first", "node_modules/a-package/with/a/long/path/readme.md", "1"],
  ["second\u001b[2J", "b.md", "1,000"],
];

describe("a table", () => {
  test("is whole where nobody measures it, without rule and colours", async () => {
    const { terminal, lines } = fakeTerminal();
    await printTable(terminal, COLUMNS, ROWS);
    expect(lines()).toEqual([
      "ID             FILE                                               COUNT",
      "first          node_modules/a-package/with/a/long/path/readme.md      1",
      String.raw`second\x1b[2J  b.md                                               1,000`,
    ]);
  });

  test.each([30, 40, 60, 68])("fits a terminal of %d columns; what may be cut is cut, the numbers stay", async (columns) => {
    const { terminal, lines } = fakeTerminal({ columns });
    await printTable(terminal, COLUMNS, ROWS);
    const plain = lines().map((line) => stripVTControlCharacters(line));
    expect(plain).toHaveLength(4);
    for (const line of plain) expect(widthOf(line)).toBeLessThanOrEqual(columns);
    expect(plain[1]).toMatch(/^─+$/);
    expect(plain[2]).toMatch(/…\S*readme\.md +1$/);
    expect(plain[3]).toMatch(/1,000$/);
  });

  test("does not break when there is no room at all", async () => {
    const { terminal, lines } = fakeTerminal({ columns: 5 });
    await printTable(terminal, COLUMNS, ROWS);
    expect(lines()).toHaveLength(4);
  });

  test("without rows has its heads", async () => {
    const { terminal, lines } = fakeTerminal();
    await printTable(terminal, COLUMNS, []);
    expect(lines()).toEqual(["ID  FILE  COUNT"]);
  });

  test("of fields leaves out what is not there", () => {
    const { terminal, lines } = fakeTerminal();
    printFields(terminal, [
      ["id", "a\nb"],
      ["nothing", undefined],
      ["queue", "default"],
    ]);
    expect(lines()).toEqual([String.raw`id     a\nb`, "queue  default"]);
  });
});
