import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { systemSentence } from "../../../src/cli/system-error.ts";
import { execute } from "../../../src/cli/main.ts";
import { fakeTerminal } from "./fake-terminal.ts";

const failed = (code: string, syscall: string, path?: string): Error => Object.assign(new Error("raw"), { code, syscall, path });

describe("an error of the file system in a sentence", () => {
  test.each([
    [failed("EACCES", "scandir", "/a"), "Expected to be able to look into /a, but this user may not (EACCES)"],
    [failed("EROFS", "mkdir", "/a"), "Expected to be able to make /a, but its file system is read-only (EROFS)"],
    [failed("ENOSPC", "write"), "Expected to be able to write to a file, but no room is left for it (ENOSPC)"],
    [failed("EMFILE", "open", "/a"), expect.stringMatching(/^Expected to be able to open \/a, but this process has too many files open/)],
    [failed("ECONNREFUSED", "connect"), undefined],
    [new TypeError("ours"), undefined],
    ["text", undefined],
  ])("%s", (error, sentence) => {
    expect(systemSentence(error)).toEqual(sentence);
  });

  test("is what a command says, as something that is foreseen", async () => {
    const { terminal, lines } = fakeTerminal();
    const run = (): never => {
      readFileSync(import.meta.dirname);
      throw new Error("not reached");
    };
    expect(await execute(["stats"], terminal, run)).toBe(1);
    expect(lines()).toEqual(["error: Expected to be able to read a file, but it is a folder (EISDIR)"]);
  });
});
