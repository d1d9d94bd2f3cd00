/** Schedules under several processes of one file that are killed at any moment. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { OmniQ } from "../../src/index.ts";
import { Dice } from "../../src/testing/conformance/dice.ts";
import { until } from "../fixtures/helpers.ts";
import { work } from "../fixtures/worker-tasks.ts";

const PROCESS = fileURLToPath(new URL("../fixtures/worker-process.ts", import.meta.url));
const WORKERS = 4;
const OCCURRENCES = 1_000;
const EVERY = 10;

let baseDir = "";
const children = new Set<ChildProcess>();
beforeEach(() => {
  baseDir = mkdtempSync(join(tmpdir(), "omniq-schedules-"));
});
afterEach(() => {
  for (const child of children) child.kill("SIGKILL");
  children.clear();
  rmSync(baseDir, { recursive: true });
});

async function startWorker(): Promise<ChildProcess> {
  const child = spawn(process.execPath, [PROCESS, JSON.stringify({ baseDir, concurrency: 20 })], {
    stdio: ["ignore", "pipe", "ignore"],
    env: { ...process.env, NODE_COMPILE_CACHE: join(baseDir, "compiled") },
  });
  children.add(child);
  await Promise.race([once(child.stdout, "data"), once(child, "exit")]);
  return child;
}

/** Kills one process after another, each when so many more occurrences have been fired, and starts another in its place. */
async function killAndStart(seed: number, fired: () => number): Promise<number> {
  const dice = new Dice(seed);
  for (let kills = 0; ; kills++) {
    const child = await startWorker();
    const end = fired() + 1 + dice.below(400);
    await until(() => fired() >= Math.min(end, OCCURRENCES), 60_000);
    if (fired() >= OCCURRENCES) return kills;
    child.kill("SIGKILL");
    await once(child, "exit");
    children.delete(child);
  }
}

describe("1,000 occurrences, four processes, kills at random", { tags: ["slow"] }, () => {
  test("none is lost, none is doubled, each runs to its end", async () => {
    const omniq = new OmniQ({ projectName: "test", baseDir });
    const startAt = new Date(Date.now() + 2_000);
    const witness = join(baseDir, "witness");
    // Whatever kills do, no task of it is given up as poison.
    const options = { every: EVERY, startAt, maxRuns: OCCURRENCES, catchUp: { all: 1_000 }, maxCrashes: 1_000 } as const;
    const schedule = await omniq.schedule(work, { witness }, { id: "tick", ...options });
    let fired = 0;
    const over = new AbortController();
    const watching = (async () => {
      for await (const event of omniq.events.follow({ scheduleId: "tick", eventType: "schedule_fired", signal: over.signal }))
        if (event.taskId !== undefined) fired++;
    })();
    const kills = await Promise.all(Array.from({ length: WORKERS }, (_, i) => killAndStart(i + 1, () => fired)));
    expect(kills.reduce((sum, each) => sum + each, 0)).toBeGreaterThan(3);
    await until(async () => (await omniq.stats()).tasks.completed === OCCURRENCES, 50_000);
    over.abort();
    await watching;
    expect(await schedule.get()).toMatchObject({ status: "completed", runCount: OCCURRENCES });
    const tasks = [];
    for (let after: string | undefined; ;) {
      const page = await omniq.tasks.find({ scheduleId: "tick", limit: 1_000, after });
      tasks.push(...page.items);
      after = page.next;
      if (after === undefined) break;
    }
    const times = tasks.map(({ runAt }) => runAt?.getTime() ?? 0).toSorted((a, b) => a - b);
    expect(times).toEqual(Array.from({ length: OCCURRENCES }, (_, i) => startAt.getTime() + i * EVERY));
    expect(await omniq.events.find({ scheduleId: "tick", eventType: "schedule_fired", limit: 2_000 })).toHaveLength(OCCURRENCES);
    expect(await omniq.events.find({ scheduleId: "tick", eventType: "schedule_skipped" })).toEqual([]);
    const started = new Set(
      readFileSync(witness, "utf8")
        .split("\n")
        .flatMap((line) => (line.startsWith("end ") ? (line.split(" ")[1] ?? []) : [])),
    );
    expect(started.size).toBe(OCCURRENCES);
    await omniq.close();
  }, 120_000);
});
