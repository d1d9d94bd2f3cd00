/** Commands that look for as long as somebody wants to, as processes: resumed, interrupted, left by their readers. */
import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { defineTask, OmniQ } from "../../src/index.ts";
import type { OmniQOptions } from "../../src/index.ts";
import { TestClock } from "../../src/testing/index.ts";
import { ended, jsonOf, linesOf, omniq, start } from "../fixtures/bin.ts";
import { ENGINES } from "../fixtures/engines.ts";
import { until } from "../fixtures/helpers.ts";

const greet = defineTask({ name: "greet", handler: ({ name }: { name: string }) => ({ text: `hello ${name}` }) });

/** Lends a process a terminal. */
const PTY = "script";
describe.each(ENGINES)("on $name", ({ place }) => {
  let dir = "";
  let shop: OmniQ;
  let options: OmniQOptions = {};
  let SHOP: readonly string[] = [];
  let remove: () => Promise<void>;
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), "omniq-look-"));
    ({ options, flags: SHOP, remove } = place(join(dir, "omniq_data")));
    shop = new OmniQ(options);
    await shop.open();
  });
  afterEach(async () => {
    await shop.close();
    await remove();
    rmSync(dir, { recursive: true });
  });

  /** A process whose lines are gathered as they come. */
  function following(args: readonly string[]) {
    const child = start(args, { cwd: dir });
    const lines: string[] = [];
    createInterface({ input: child.stdout }).on("line", (line) => lines.push(line));
    return { child, lines, end: ended(child) };
  }

  describe("events --follow", { tags: ["slow"] }, () => {
    test("goes on exactly where it was interrupted, with the command that it names", async () => {
      const add = (from: number, to: number) =>
        shop.enqueueMany(Array.from({ length: to - from }, (_, i) => greet.with({ name: "x" }, { id: `t-${from + i}` })));
      await add(0, 20);
      const first = following(["events", "-F", "-n", "3", "--json", ...SHOP]);
      await until(() => first.lines.length === 3);
      await add(20, 500);
      await until(() => first.lines.length > 100);
      first.child.kill("SIGINT");
      const { code, stderr } = await first.end;
      expect(code).toBe(130);
      const command = /^To go on from here: omniq (events .*)$/m.exec(stderr)?.[1] ?? "";
      expect(command).toMatch(/^events -F --json --\S+ .*--after \S+$/);
      await add(500, 510);
      const second = following(command.split(" "));
      await until(() => second.lines.length === 510 - 17 - first.lines.length);
      await add(510, 511);
      await until(() => second.lines.at(-1)?.includes('"t-510"') ?? false);
      second.child.kill("SIGTERM");
      expect((await second.end).code).toBe(130);
      const seen = [...first.lines, ...second.lines].map((line) => JSON.parse(line) as { taskId: string; cursor: string });
      expect(seen.map(({ taskId }) => taskId)).toEqual(Array.from({ length: 511 - 17 }, (_, i) => `t-${17 + i}`));
      for (const { cursor } of seen) expect(cursor).toMatch(/^[\d.]+$/);
    });

    test("shows people the last ones, then what comes, only of the kind that is asked for", async () => {
      await shop.enqueue(greet, { name: "a" }, { id: "old" });
      const { child, lines, end } = following(["events", "--follow", "--type", "completed", ...SHOP]);
      const worker = shop.worker({ tasks: [greet] });
      await worker.drain();
      await until(() => lines.length === 1);
      await shop.enqueue(greet, { name: "b" }, { id: "new" });
      await worker.drain();
      await until(() => lines.length === 2);
      child.kill("SIGINT");
      await end;
      expect(lines.map((line) => line.split(/ +/).slice(2, 5))).toEqual([
        ["completed", "old", "default"],
        ["completed", "new", "default"],
      ]);
    });

    test("--after now: only what comes", async () => {
      await shop.enqueue(greet, { name: "a" }, { id: "old" });
      const { child, lines, end } = following(["events", "--follow", "--after", "now", "--json", ...SHOP]);
      // It tells nothing when it has begun, so it is given something new until it has.
      let i = 0;
      await until(async () => {
        if (i++ < 1_000) await shop.enqueue(greet, { name: "b" });
        return lines.length > 0;
      });
      child.kill("SIGINT");
      expect((await end).code).toBe(130);
      expect(lines.join("\n")).not.toContain('"old"');
    });

    test("shows none twice, also when a clock was set back between them", async () => {
      await shop.enqueue(greet, { name: "a" }, { id: "first" });
      const before = new OmniQ({ ...options, clock: new TestClock(Date.now() - 3_600_000) });
      await before.enqueue(greet, { name: "b" }, { id: "second" });
      await before.close();
      const { child, lines, end } = following(["events", "--follow", "--json", ...SHOP]);
      await until(() => lines.length === 2);
      await shop.enqueue(greet, { name: "c" }, { id: "third" });
      await until(() => lines.at(-1)?.includes('"third"') ?? false);
      child.kill("SIGINT");
      await end;
      expect(lines.map((line) => (JSON.parse(line) as { taskId: string }).taskId)).toEqual(["second", "first", "third"]);
    });

    test("ends quietly when its reader has gone", async () => {
      await shop.enqueueMany(Array.from({ length: 10 }, () => greet.with({ name: "x" })));
      const { child, lines, end } = following(["events", "--follow", "--json", ...SHOP]);
      await until(() => lines.length === 10);
      child.stdout.destroy();
      await shop.enqueue(greet, { name: "y" });
      expect(await end).toMatchObject({ code: 0, stderr: "" });
    });

    test.each([
      [["--after", "3"], "together with --follow"],
      [["--follow", "--to", "1h"], "without --to"],
      [["--follow", "--after", "yesterday"], "a cursor that was answered before"],
      [["--from", "yesterday"], "Expected a time"],
      [["--type", "complete"], "Did you mean completed?"],
    ])("%j: 2", async (args, hint) => {
      const { code, stdout, stderr } = await omniq(["events", ...args, ...SHOP], { cwd: dir });
      expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
      expect(stderr).toContain(hint);
    });

    test("--from, --to and --schedule say which", async () => {
      await shop.enqueue(greet, { name: "a" }, { id: "one" });
      const ids = async (...args: readonly string[]) =>
        jsonOf((await omniq(["events", "--json", ...args, ...SHOP], { cwd: dir })).stdout).map(({ taskId }) => taskId);
      expect(await ids("--from", "1m")).toEqual(["one"]);
      expect(await ids("--to", "1m")).toEqual([]);
      expect(await ids("--schedule", "none")).toEqual([]);
    });
  });

  describe("stats --watch", { tags: ["slow"] }, () => {
    test.each([
      ["SIGINT", ["--json"]],
      ["SIGTERM", []],
    ] as const)("answers a JSON value a tick until %s", async (signal, args) => {
      await shop.enqueue(greet, { name: "a" });
      const { child, lines, end } = following(["stats", "--watch", "1", ...args, ...SHOP]);
      await until(() => lines.length === 1);
      const worker = shop.worker({ tasks: [greet] });
      await worker.drain();
      await until(() => lines.length >= 2 && (JSON.parse(lines.at(-1) ?? "") as { queues: unknown[] }).queues.length === 0);
      child.kill(signal);
      expect(await end).toMatchObject({ code: 130, stderr: "" });
      expect(JSON.parse(lines[0] ?? "")).toMatchObject({
        queues: [{ name: "default", tasks: { ready: 1 }, workers: 0 }],
        running: [],
        failing: [],
        due: [],
        workers: [],
        perSecond: { enqueued: expect.any(Number), ended: 0, failed: 0 },
      });
    });

    test("ends quietly when its reader has gone", async () => {
      const { child, lines, end } = following(["stats", "-w", ...SHOP]);
      await until(() => lines.length === 1);
      child.stdout.destroy();
      expect(await end).toMatchObject({ code: 0, stderr: "" });
    });
  });

  describe.runIf(process.platform === "linux" && spawnSync(PTY, ["--version"]).status === 0)("on a terminal", { tags: ["slow"] }, () => {
    /** Runs it on a terminal of its own, and tells when it has drawn. */
    async function watched(leave: (child: ChildProcess) => void): Promise<{ readonly code: number | null; readonly drawn: string }> {
      const bin = fileURLToPath(new URL("../../src/cli/bin.ts", import.meta.url));
      const command = `stty rows 24 columns 100; exec '${process.execPath}' '${bin}' stats --watch ${SHOP.map((word) => `'${word}'`).join(" ")}`;
      const child = spawn(PTY, ["-qec", command, "/dev/null"], { cwd: dir, env: { ...process.env, TERM: "xterm" } });
      let drawn = "";
      child.stdout.on("data", (chunk: Buffer) => (drawn += chunk.toString()));
      await until(() => drawn.includes("WORKERS"));
      leave(child);
      const [code] = (await once(child, "close")) as [number | null];
      return { code, drawn };
    }

    test.each([
      ["q", 0],
      ["\u0003", 130],
    ])("the live view ends by %j and gives the terminal back: %d", async (key, code) => {
      await shop.enqueue(greet, { name: "a" });
      const seen = await watched((child) => child.stdin?.write(key));
      expect(seen.code).toBe(code);
      expect(stripVTControlCharacters(seen.drawn)).toMatch(/default +1 +0 /);
      expect(seen.drawn.startsWith("\u001b[?1049h\u001b[?25l")).toBe(true);
      expect(seen.drawn.trimEnd().endsWith("\u001b[?25h\u001b[?1049l")).toBe(true);
    });
  });

  test("a command that has nothing to end first is interrupted at once: 130", { tags: ["slow"] }, async () => {
    const child = start(["enqueue", "greet", "-", ...SHOP], { cwd: dir, input: null });
    const end = ended(child);
    // More than a pipe holds: when it is written, somebody has begun to read.
    await new Promise<void>((resolve) => {
      child.stdin.write(" ".repeat(4_000_000), () => {
        resolve();
      });
    });
    child.kill("SIGINT");
    expect(await end).toEqual({ code: 130, stdout: "", stderr: "" });
    expect((await shop.tasks.find()).items).toEqual([]);
  });

  describe("a change of many tasks", { tags: ["slow"] }, () => {
    test("that is interrupted has done whole what it has begun, and says how much: 130", async () => {
      for (let i = 0; i < 20; i++) await shop.enqueueMany(Array.from({ length: 1_000 }, () => greet.with({ name: "x" })));
      const child = start(["tasks", "cancel", "--queue", "default", "--yes", ...SHOP], { cwd: dir });
      const end = ended(child);
      await until(async () => (await shop.stats()).tasks.cancelled > 0);
      child.kill("SIGINT");
      const { code, stdout, stderr } = await end;
      const done = Number(/^([\d,]+) tasks cancelled\.\n$/.exec(stdout)?.[1]?.replaceAll(",", ""));
      const { ready } = (await shop.queues.list())[0]?.tasks ?? {};
      expect({ code, ready: (await shop.tasks.find({ phase: "ready", limit: 1 })).items.length }).toEqual({ code: 130, ready: 1 });
      expect(stderr).toMatch(/^Interrupted: [\d,]+ tasks not looked at\.$/m);
      expect(done).toBeLessThan(20_000);
      // Counted up to 10,000.
      expect(Math.min(10_000, 20_000 - done)).toBe(ready);
    });
  });

  describe("enqueue --wait", { tags: ["slow"] }, () => {
    test("answers what a worker in another process makes of it", async () => {
      const worker = shop.worker({ tasks: [greet] });
      await worker.start();
      const { code, stdout, stderr } = await omniq(["enqueue", "greet", "-", "--wait", ...SHOP], { cwd: dir, input: '{"name":"you"}' });
      await worker.stop();
      expect({ code, stdout }).toEqual({ code: 0, stdout: '{"text":"hello you"}\n' });
      expect(linesOf(stderr)).toHaveLength(1);
    });

    test("is interrupted without harm: 130, and the task stays", async () => {
      const child = start(["enqueue", "greet", '{"name":"x"}', "--id", "mine", "--wait", ...SHOP], { cwd: dir });
      const end = ended(child);
      await once(child.stderr, "data");
      child.kill("SIGINT");
      const { code, stdout, stderr } = await end;
      expect({ code, stdout }).toEqual({ code: 130, stdout: "" });
      expect(stderr).toContain("omniq tasks show mine");
      expect((await shop.tasks.get("mine"))?.phase).toBe("ready");
    });
  });
});
