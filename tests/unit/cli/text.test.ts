import { describe, expect, test } from "vitest";
import { count, cut, cutStart, jsonLine, jsonLines, number, plain, plainLines, tally, time, widthOf } from "../../../src/cli/text.ts";

describe("text for people", () => {
  test.each([
    ["a\nb\tc\r", String.raw`a\nb\tc\r`],
    ["\u001b[31mred\u001b[0m", String.raw`\x1b[31mred\x1b[0m`],
    ["bell\u0007 nul\u0000 del\u007f", String.raw`bell\x07 nul\x00 del\x7f`],
    ["\u009b31m", String.raw`\x9b31m`],
    ["evil\u202etxt.exe", String.raw`evil\u202etxt.exe`],
    ["grüße 你好 👩‍💻", "grüße 你好 👩‍💻"],
  ])("%j is shown as %s", (text, shown) => {
    expect(plain(text)).toBe(shown);
  });

  test("a stack keeps its lines and nothing else", () => {
    expect(plainLines("Error: no\r\n\tat \u001b[2Jx")).toEqual(["Error: no", String.raw`  at \x1b[2Jx`]);
  });

  test("JSON holds nothing that a terminal obeys, and means the same", () => {
    const value = { text: "a\u009b2J\u007f\u2028\u202e\u001b", list: [1, null] };
    const line = jsonLine(value);
    // eslint-disable-next-line no-control-regex -- control characters are what is looked for
    expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u202e]/);
    expect(JSON.parse(line)).toEqual(value);
    expect(JSON.parse(jsonLines(value, 10).join("\n"))).toEqual(value);
  });

  test("JSON for people breaks up only what is too long", () => {
    const value = {
      file: "a.md",
      top: [
        ["one", 1],
        ["two", 2],
      ],
      none: undefined,
      empty: {},
    };
    expect(jsonLines(value, 80)).toEqual(['{"file":"a.md","top":[["one",1],["two",2]],"empty":{}}']);
    expect(jsonLines(value, 24)).toEqual([
      "{",
      '  "file": "a.md",',
      '  "top": [',
      '    ["one",1],',
      '    ["two",2]',
      "  ],",
      '  "empty": {}',
      "}",
    ]);
  });

  test.each([
    ["abc", 3],
    ["你好", 4],
    ["é", 1],
    ["e\u0301", 1],
    ["🚀", 2],
    ["", 0],
  ])("%s takes %d columns", (text, width) => {
    expect(widthOf(text)).toBe(width);
  });

  test("is cut at its end or its start, never wider than asked", () => {
    expect(cut("abcdef", 6)).toBe("abcdef");
    expect(cut("abcdef", 5)).toBe("abcd…");
    expect(cut("你好吗", 5)).toBe("你好…");
    expect(cut("你好吗", 4)).toBe("你…");
    expect(cutStart("node_modules/a/b.md", 7)).toBe("…a/b.md".slice(-7));
    expect(cutStart("ab", 5)).toBe("ab");
    expect(widthOf(cutStart("文件/说明.md", 8))).toBeLessThanOrEqual(8);
  });

  test("numbers, counts and times", () => {
    expect(number(1_234_567.8)).toBe("1,234,568");
    expect(number(12.34)).toBe("12.3");
    expect([tally(9_999), tally(10_000), tally(20_000)]).toEqual(["9,999", "10,000+", "10,000+"]);
    expect(count(1, "task")).toBe("1 task");
    expect(count(2_000, "task")).toBe("2,000 tasks");
    expect(time(new Date(2026, 2, 1, 9, 5, 7, 12))).toBe("2026-03-01 09:05:07.012");
  });
});
