/** `enqueue` and `schedules add` with `--tasks`: what a definition says counts, as for a program that imports it. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { OmniQ } from "../../src/index.ts";
import { runCli } from "../fixtures/cli-process.ts";
import { ENGINES } from "../fixtures/engines.ts";

const url = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);
/** A module that leaves something open, as one with a pool of connections does. */
const TASKS = `import { defineTask } from ${url("../../src/index.ts")};
import { z } from ${url("../../node_modules/zod/index.js")};
setInterval(() => {}, 60_000);
export const resize = defineTask({ name: "resize", aliases: ["shrink"], input: z.object({ width: z.number() }), queueName: "images", maxRetries: 7 });
export const all = [defineTask({ name: "tidy", priority: 4, handler: () => 1 })];
`;

describe.each(ENGINES)("on $name", ({ place }) => {
  let dir = "";
  let omniq: OmniQ;
  let flags: readonly string[] = [];
  let remove: () => Promise<void>;
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), "omniq-definitions-"));
    const there = place(join(dir, "omniq_data"));
    ({ flags, remove } = there);
    omniq = new OmniQ(there.options);
    await omniq.open();
    writeFileSync(join(dir, "tasks.mjs"), TASKS);
  });
  afterEach(async () => {
    await omniq.close();
    await remove();
    rmSync(dir, { recursive: true, force: true });
  });

  const cli = (...args: readonly string[]) => runCli([...args, ...flags], { cwd: dir });
  const LOADED = ["--tasks", "tasks.mjs"];

  describe("with the definition at hand", { tags: ["slow"] }, () => {
    test("enqueue takes its options, what is typed counts more, and the process ends", async () => {
      expect(await cli("enqueue", "resize", '{"width":1}', "--id", "a", ...LOADED)).toMatchObject({ code: 0, stderr: "" });
      expect(await omniq.tasks.get("a")).toMatchObject({ func: "resize", queueName: "images", maxRetries: 7 });
      expect(await cli("enqueue", "shrink", '{"width":1}', "--id", "b", "--max-retries", "1", ...LOADED)).toMatchObject({ code: 0 });
      expect(await omniq.tasks.get("b")).toMatchObject({ func: "resize", queueName: "images", maxRetries: 1 });
      expect(await cli("enqueue", "tidy", "--id", "c", ...LOADED)).toMatchObject({ code: 0 });
      expect(await omniq.tasks.get("c")).toMatchObject({ priority: 4 });
    });

    test("schedules add does so, too", async () => {
      expect(await cli("schedules", "add", "resize", '{"width":1}', "--id", "s", "--every", "1h", ...LOADED)).toMatchObject({ code: 0 });
      expect(await omniq.schedules.get("s")).toMatchObject({ func: "resize", queueName: "images" });
      expect(await cli("schedules", "add", "--task-id", "x", "--every", "1h", ...LOADED)).toMatchObject({ code: 2 });
    });

    test.each([
      [["enqueue"], []],
      [
        ["schedules", "add"],
        ["--every", "1h"],
      ],
    ])("%j refuses arguments that its schema does not take, and names the nearest definition", async (command, timing) => {
      const wrong = await cli(...command, "resize", '{"width":"wide"}', ...timing, ...LOADED);
      expect(wrong).toMatchObject({ code: 1, stderr: expect.stringMatching(/^error: .*width.*\(INPUT_INVALID\)$/m) as string });
      const typo = await cli(...command, "resise", "{}", ...timing, ...LOADED);
      expect(typo).toMatchObject({
        code: 2,
        stdout: "",
        stderr: "error: Expected a task that tasks.mjs exports, got resise. Did you mean resize?\n",
      });
      const none = await cli(...command, "resize", ...timing, "--tasks", "none.mjs");
      expect(none).toMatchObject({ code: 1, stderr: expect.stringContaining("there is no none.mjs") as string });
      expect((await omniq.tasks.find()).items).toEqual([]);
    });
  });

  test("without it the name alone is stored", { tags: ["slow"] }, async () => {
    expect(await cli("enqueue", "resise", "{}", "--id", "a")).toMatchObject({ code: 0 });
    expect(await omniq.tasks.get("a")).toMatchObject({ func: "resise", queueName: "default" });
  });
});
