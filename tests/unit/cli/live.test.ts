/** The live view: what it counts, what it shows, and that it gives the terminal back. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Board } from "../../../src/cli/live/board.ts";
import { look } from "../../../src/cli/live/picture.ts";
import type { Picture } from "../../../src/cli/live/picture.ts";
import { Pulse, SPAN } from "../../../src/cli/live/pulse.ts";
import { Screen } from "../../../src/cli/live/screen.ts";
import { viewOf } from "../../../src/cli/live/view.ts";
import { execute } from "../../../src/cli/main.ts";
import { widthOf } from "../../../src/cli/text.ts";
import { defineTask, FatalError, OmniQ } from "../../../src/index.ts";
import { until } from "../../fixtures/helpers.ts";
import { fakeTerminal } from "./fake-terminal.ts";

const NOW = 1_800_000_000_000;
const at = (secondsAgo: number): Date => new Date(NOW - secondsAgo * 1_000);

describe("the pulse", () => {
  test("is the mean of the last ten whole seconds", () => {
    const pulse = new Pulse(NOW - SPAN * 1_000);
    for (let i = 0; i < 50; i++) pulse.note({ eventType: "enqueued", timestamp: at(1 + (i % 10)) });
    for (let i = 0; i < 20; i++) pulse.note({ eventType: "completed", timestamp: at(5) });
    pulse.note({ eventType: "failed", timestamp: at(5) });
    // Of the second that is still under way nobody knows how much it will be, and the others are over.
    for (const timestamp of [at(0), at(11)]) pulse.note({ eventType: "enqueued", timestamp });
    expect(pulse.rates(NOW)).toEqual({ enqueued: 5, ended: 2.1, failed: 0.1 });
  });

  test("of what has only begun is the mean of what is known", () => {
    const pulse = new Pulse(NOW - 4_000);
    for (let i = 0; i < 8; i++) pulse.note({ eventType: "cancelled", timestamp: at(2) });
    expect(pulse.rates(NOW)).toEqual({ enqueued: 0, ended: 2, failed: 0 });
  });

  test("of the last minutes stands in steps, the unknown ones left out", () => {
    const pulse = new Pulse(NOW - 100_000);
    for (let i = 0; i < 10; i++) pulse.note({ eventType: "expired", timestamp: at(1) });
    pulse.note({ eventType: "enqueued", timestamp: at(1) });
    pulse.note({ eventType: "progress", timestamp: at(1) });
    const history = pulse.history("ended", NOW, 60);
    expect(history).toHaveLength(60);
    expect(history.at(-1)).toBe(2);
    expect(history.at(-2)).toBe(0);
    expect(history.slice(0, 38)).toEqual(Array.from({ length: 38 }, () => undefined));
  });

  test("forgets what is too old to be shown", () => {
    const pulse = new Pulse(0);
    pulse.note({ eventType: "enqueued", timestamp: at(3 * SPAN) });
    pulse.prune(NOW);
    expect(pulse.rates(NOW - (3 * SPAN - 1) * 1_000).enqueued).toBe(0);
  });
});

const picture = (rows: number): Picture => {
  const many = <T>(make: (i: number) => T): readonly T[] => Array.from({ length: rows }, (_, i) => make(i));
  return {
    at: new Date(NOW),
    oldestReady: rows === 0 ? undefined : at(75),
    perSecond: { enqueued: rows, ended: rows / 2, failed: 0 },
    queues: many((i) => ({
      name: `queue-文件-${i}`,
      paused: i % 2 === 1,
      pausedAt: i % 2 === 1 ? at(3_600) : undefined,
      tasks: { ready: 10_000, running: i },
      readySince: at(75),
      workers: i % 3,
    })),
    running: many((i) => ({
      id: `0199f0c2-7c1e-7aaa-9c3f-2f1d8e6b${i}`,
      func: "resize",
      queue: "default",
      worker: "w",
      since: at(100 - i),
      fraction: i % 2 === 0 ? 0.5 : undefined,
      note: i % 2 === 0 ? "a note \u001b[2J that is long ".repeat(5) : undefined,
    })),
    runningCount: rows,
    failing: many((i) => ({ func: `func-${i}`, failed: rows - i, retried: i, lastAt: at(i), lastError: "Error: ".repeat(30) })),
    due: many((i) => ({ id: `schedule-${i}`, name: undefined, rule: "0 3 * * * Europe/Berlin", nextRunAt: at(50 - 100 * i) })),
    workers: many((i) => ({
      id: `worker-${i}`,
      host: "a-host-with-a-long-name.example.com",
      pid: 1_000 + i,
      queues: ["default", "mail", "reports"],
      tasks: [],
      concurrency: 8,
      startedAt: at(100),
      seenAt: at(i),
      alive: i % 2 === 0,
      gone: i % 4 === 3,
    })),
  };
};
const viewed = (rows: number, frame: { readonly columns: number; readonly rows: number }): readonly string[] => {
  const { terminal } = fakeTerminal({ columns: frame.columns });
  const pulse = new Pulse(0);
  pulse.note({ eventType: "enqueued", timestamp: at(12) });
  return viewOf(terminal, picture(rows), pulse, { ...frame, title: "shop", aside: "q quits" });
};

describe("the view", () => {
  test.each([0, 1, 3, 30])("with %d rows of each kind is never higher or wider than the terminal", (rows) => {
    for (const columns of [40, 60, 80, 120, 200]) {
      for (let height = 1; height < 80; height += 3) {
        const lines = viewed(rows, { columns, rows: height });
        expect(lines.length).toBeLessThanOrEqual(height);
        for (const line of lines) expect(widthOf(stripVTControlCharacters(line))).toBeLessThanOrEqual(columns);
      }
    }
  });

  test("shows all where there is room, and says how many more there are where there is none", () => {
    const tall = stripVTControlCharacters(viewed(5, { columns: 140, rows: 100 }).join("\n"));
    for (const text of ["queue-文件-4", "func-4", "schedule-4", "worker-4", "2f1d8e6b4"]) expect(tall).toContain(text);
    expect(tall).not.toContain("more");
    const short = stripVTControlCharacters(viewed(30, { columns: 140, rows: 40 }).join("\n"));
    expect(short.match(/^… and \d+ more$/gm)).toHaveLength(5);
    expect(viewed(30, { columns: 140, rows: 40 })).toHaveLength(40);
    // Where there is little room, the first things first.
    const small = stripVTControlCharacters(viewed(30, { columns: 140, rows: 16 }).join("\n"));
    expect(small).toContain("QUEUES");
    expect(small).not.toContain("DUE NEXT");
  });

  test("tells what is late, paused, silent and failing, and obeys no data", () => {
    const text = stripVTControlCharacters(viewed(3, { columns: 140, rows: 60 }).join("\n"));
    expect(text).toMatch(/^OmniQ shop {2}3 running, 2 workers, oldest waits 1m 15s +q quits$/m);
    expect(text).toMatch(/^schedule-0 .* 50s late /m);
    expect(text).toMatch(/^schedule-1 .* 50s /m);
    expect(text).toMatch(/^queue-文件-1 .* paused 1h$/m);
    expect(text).toMatch(/^worker-1 .* silent$/m);
    expect(text).toMatch(/^func-0 +3 +0 +0s ago /m);
    expect(text).toContain(String.raw`a note \x1b[2J that`);
    expect(text).toMatch(/^enqueued +3\/s {2}▁+█▁+ {2}peak 0.2\/s$/m);
  });

  test("is calm where nothing is", () => {
    const text = stripVTControlCharacters(viewed(0, { columns: 100, rows: 40 }).join("\n"));
    for (const line of [/^RUNNING {2}nothing$/m, /^WORKERS {2}none$/m, /^DUE NEXT {2}no schedule is active$/m]) expect(text).toMatch(line);
  });
});

describe("the screen", () => {
  const open = () => {
    const fake = fakeTerminal({ columns: 80, typed: "" });
    const raw: boolean[] = [];
    Object.assign(fake.terminal.stdin, { setRawMode: (on: boolean) => raw.push(on) });
    const keys: string[] = [];
    const resize = vi.fn<() => void>();
    const before = process.listenerCount("exit");
    const screen = new Screen(fake.terminal, { key: (key) => keys.push(key), resize });
    screen.open();
    return { ...fake, raw, keys, resize, screen, before };
  };

  test("is entered and left: the cursor, the lines and the mode of typing are as before", async () => {
    const { answer, raw, screen, before, terminal } = open();
    screen.draw(["a", "b"]);
    screen.close();
    screen.close();
    await until(() => answer().includes("1049l"));
    expect(answer().replaceAll("\u001b[", "^")).toMatch(/^\^\?1049h\^\?25l\^\?7l.*a\r\n.*b.*\^\?7h\^\?25h\^\?1049l$/s);
    expect(answer().split("1049l")).toHaveLength(2);
    expect(raw).toEqual([true, false]);
    expect(process.listenerCount("exit")).toBe(before);
    expect(terminal.stdout.listenerCount("resize")).toBe(0);
  });

  test("is left when the process ends in any way", async () => {
    const { answer, screen, before } = open();
    const listeners = process.listeners("exit");
    expect(listeners).toHaveLength(before + 1);
    listeners.at(-1)?.(0);
    await until(() => answer().includes("\u001b[?25h"));
    screen.close();
  });

  test("tells keys, but no arrows, and draws again when the terminal changes", async () => {
    const { keys, resize, screen, terminal } = open();
    terminal.stdin.push("ab");
    await until(() => keys.length === 2);
    terminal.stdin.push("\u001b[A");
    terminal.stdin.push("q");
    await until(() => keys.includes("q"));
    expect(keys).toEqual(["a", "b", "q"]);
    const drawn = resize.mock.calls.length;
    terminal.stdout.emit("resize");
    expect(resize).toHaveBeenCalledTimes(drawn + 1);
    screen.close();
  });
});

describe("what goes on in a database", () => {
  let dir = "";
  let omniq: OmniQ;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "omniq-live-"));
    omniq = new OmniQ({ baseDir: dir });
  });
  afterEach(async () => {
    await omniq.close();
    rmSync(dir, { recursive: true });
  });
  let release = (): void => {};
  const slow = defineTask({
    name: "slow",
    handler: async (_args: undefined, ctx) => {
      ctx.progress(0.25, "a quarter");
      await new Promise<void>((resolve) => (release = resolve));
    },
  });
  const broken = defineTask({
    name: "broken",
    handler: () => {
      throw new FatalError("out of order");
    },
  });

  test("is known from before, and followed from there", async () => {
    const worker = omniq.worker({ tasks: [slow, broken] });
    await worker.start();
    await omniq.enqueue(broken, undefined, { id: "broken-1" });
    await omniq.enqueue(slow, undefined, { id: "slow-1" });
    await omniq.schedule(broken, undefined, { id: "nightly", cron: "0 3 * * *" });
    await until(
      async () =>
        (await omniq.events.find({ eventType: "progress" })).length > 0 && (await omniq.tasks.get("broken-1"))?.phase === "failed",
    );
    const board = await Board.open(omniq);
    const stop = new AbortController();
    const following = board.follow(omniq, stop.signal);
    const first = await look(omniq, board);
    expect(first).toMatchObject({
      runningCount: 1,
      running: [{ id: "slow-1", func: "slow", queue: "default" }],
      failing: [{ func: "broken", failed: 1, retried: 0, lastError: "FatalError: out of order" }],
      due: [{ id: "nightly", rule: "0 3 * * * UTC" }],
      workers: [{ alive: true }],
      queues: [{ name: "default", workers: 1 }],
    });
    release();
    await omniq.enqueue(broken, undefined, { id: "broken-2" });
    await until(() => board.running.length === 0 && board.failures(Date.now()).length === 2);
    await omniq.enqueue(slow, undefined, { id: "slow-2" });
    await until(() => board.running[0]?.fraction === 0.25);
    expect((await look(omniq, board)).running).toMatchObject([{ id: "slow-2", note: "a quarter" }]);
    release();
    stop.abort();
    await following;
    await worker.stop();
  });

  test("is drawn on a terminal until q is typed", async () => {
    await omniq.enqueue(broken, undefined);
    const fake = fakeTerminal({ columns: 100, typed: "" });
    Object.assign(fake.terminal.stdin, { setRawMode: () => {} });
    const watching = execute(["stats", "--watch", "--base-dir", dir], fake.terminal);
    await until(() => fake.answer().includes("1 running") || fake.answer().includes("oldest waits"));
    fake.terminal.stdin.push("q");
    expect(await watching).toBe(0);
    expect(fake.answer().endsWith("\u001b[?1049l")).toBe(true);
  });
});
