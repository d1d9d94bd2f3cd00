import { describe, expect, test } from "vitest";
import { importHint, lineIn } from "../../../src/core/import-hint.ts";

const failed = (code: string | undefined, message = "m", type: typeof Error = Error): Error =>
  Object.assign(new type(message), code === undefined ? {} : { code });

describe("an import that failed", () => {
  test.each([
    [
      failed("ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX", "enum", SyntaxError),
      "a.ts",
      "(an enum, a namespace, a parameter property), start Node with `--import tsx`",
    ],
    [failed("ERR_UNKNOWN_FILE_EXTENSION"), "a.tsx", "For this kind of file, start Node"],
    [failed("ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING"), "a.ts", "compile it to JavaScript"],
    [failed("ERR_MODULE_NOT_FOUND", "Cannot find module '/x/other' imported from /x/a.ts"), "a.ts", 'as "./tasks.ts", or start Node'],
    [failed(undefined, "Invalid or unexpected token", SyntaxError), "a.mts", "For decorators, start Node"],
  ])("%s in %s", (error, file, hint) => {
    expect(importHint(error, file)).toContain(hint);
  });

  test.each([
    [failed("ERR_MODULE_NOT_FOUND", "Cannot find package 'left' imported from /x/a.ts"), "a.ts"],
    [failed("ERR_MODULE_NOT_FOUND", "Cannot find module '/x/other.ts' imported from /x/a.ts"), "a.ts"],
    [failed("ERR_INVALID_TYPESCRIPT_SYNTAX", "m", SyntaxError), "a.ts"],
    [failed(undefined, "m", SyntaxError), "a.js"],
    [failed(undefined), "a.ts"],
    ["text", "a.ts"],
  ])("%s in %s needs no hint", (error, file) => {
    expect(importHint(error, file)).toBe("");
  });

  test.each([
    ["file:///x/a.ts:3\nenum A {}\n^\nSyntaxError: m", "./conf/a.ts:3"],
    ["Error: m\n    at other (file:///x/b.ts:1:2)\n    at file:///x/a.ts:12:7\n    at file:///x/a.ts:1:1", "./conf/a.ts:12"],
    ["Error: a.ts: is bad\n    at file:///x/b.ts:1:2", undefined],
    [undefined, undefined],
  ])("the stack %j tells the line", (stack, line) => {
    expect(lineIn(Object.assign(new Error("m"), { stack }), "./conf/a.ts")).toBe(line);
  });

  test("what is no error has no line", () => {
    expect(lineIn("text", "a.ts")).toBeUndefined();
  });
});
