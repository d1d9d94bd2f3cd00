/** What goes wrong around a command (a full device, a path that is no folder, an error that user code let fly) is one sentence. */
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, inject, test } from "vitest";
import { OmniQ } from "../../src/index.ts";
import { runCli } from "../fixtures/cli-process.ts";

const BIN = inject("bin");
const DOOR = pathToFileURL(fileURLToPath(new URL("../../src/index.ts", import.meta.url))).href;

let dir = "";
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "omniq-trouble-"));
  const omniq = new OmniQ({ baseDir: join(dir, "omniq_data") });
  await omniq.enqueueNamed("greet");
  await omniq.close();
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

describe.runIf(existsSync("/dev/full"))("a full device behind the standard output", { tags: ["slow"] }, () => {
  test.each(["stats", "tasks list", "doctor", "health", "events", "config explain", "completion bash", "--help"])("%s", async (command) => {
    const full = openSync("/dev/full", "w");
    const child = spawn(process.execPath, [BIN, ...command.split(" ")], { cwd: dir, stdio: ["ignore", full, "pipe"] });
    closeSync(full);
    const ended = new Promise((resolve) => child.on("close", resolve));
    const stderr = child.stderr === null ? "" : await text(child.stderr);
    expect(await ended).toBe(1);
    expect(stderr).toBe("error: Expected to be able to write to the standard output, but no room is left for it (ENOSPC)\n");
  });
});

describe("a path that is not what it should be", { tags: ["slow"] }, () => {
  test.each([
    ["stats", ["stats", "--base-dir", "file"], /^error: Expected a database at .*file\/omniq\.db, but there is none/],
    ["stats of a folder", ["stats", "--base-dir", "folder"], /^error: Expected a database at .*omniq\.db, but it is a folder/],
    [
      "init",
      ["init", "file/x", "--no-install"],
      /^error: Expected to be able to make .*file\/x, but a part of its path is no folder \(ENOTDIR\)$/m,
    ],
  ])("%s", async (_, args, line) => {
    writeFileSync(join(dir, "file"), "");
    mkdirSync(join(dir, "folder", "omniq.db"), { recursive: true });
    const { code, stderr } = await runCli(args, { cwd: dir });
    expect(code).toBe(1);
    expect(stderr).toMatch(line);
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
  });
});

describe("an error that user code let fly", { tags: ["slow"] }, () => {
  const floating = '\nvoid Promise.reject(new RangeError("far off"));\nawait new Promise((resolve) => setTimeout(resolve, 60_000));\n';
  const tasks = `import { defineTask } from ${JSON.stringify(DOOR)};\nexport const a = defineTask({ name: "a", handler: () => 1 });`;
  test.each([
    [
      "a tasks module",
      "tasks.mjs",
      tasks + floating,
      ["worker"],
      /tasks\.mjs:3:21 to .* RangeError: far off, in a promise that nobody waits for/,
    ],
    ["a configuration", "omniq.config.ts", `${floating}export default {};`, ["stats"], /omniq\.config\.ts:2:21 to .* RangeError: far off/],
    [
      "a timer",
      "tasks.mjs",
      `${tasks}\nsetTimeout(() => { throw new TypeError("late"); }, 1);\nawait new Promise((resolve) => setTimeout(resolve, 60_000));\n`,
      ["worker"],
      /tasks\.mjs:3:26 to handle its error, got TypeError: late, that nobody catches/,
    ],
  ])("in %s", async (_, file, content, args, line) => {
    writeFileSync(join(dir, file), content);
    const { code, stdout, stderr } = await runCli(args, { cwd: dir });
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(line);
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
    expect((await runCli([...args, "--debug"], { cwd: dir })).stderr).toMatch(/caused by \w+Error.*\n\s+at /);
  });
});
