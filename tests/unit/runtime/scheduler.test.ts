import { describe, expect, test } from "vitest";
import { DEFAULT_SCHEDULE_POLICY } from "../../../src/core/schedule.ts";
import type { ScheduleRow } from "../../../src/core/schedule.ts";
import { DEFAULT_POLICY } from "../../../src/core/task.ts";
import { taskOf } from "../../../src/runtime/firing.ts";
import { SQLiteBackend } from "../../../src/sqlite.ts";
import { TestClock } from "../../../src/testing/clock.ts";
import { ModelBackend } from "../../../src/testing/model.ts";
import { gate, quiet, Rig, task, until } from "./rig.ts";

const START = Date.UTC(2026, 0, 1);

function row(id: string, more: Partial<ScheduleRow> = {}): ScheduleRow {
  return {
    id,
    revision: 0,
    rule: { type: "interval", every: 60_000 },
    policy: DEFAULT_SCHEDULE_POLICY,
    template: { ...DEFAULT_POLICY, func: "t", args: "{}", queue: "default", priority: 0, tags: [] },
    status: "active",
    runCount: 0,
    createdAt: START,
    nextRunAt: START + 60_000,
    tags: [],
    ...more,
  };
}

async function put(rig: Rig, ...rows: readonly ScheduleRow[]): Promise<void> {
  await rig.stores.open();
  for (const each of rows) await rig.backend.schedules.put(each);
}

const firedOf = async (rig: Rig, scheduleId: string): Promise<number> =>
  (await rig.backend.desk.find({ scheduleId, limit: 100 })).items.length;
const eventsOf = async (rig: Rig, scheduleId: string): Promise<readonly (readonly unknown[])[]> =>
  (await rig.stores.events.events.newest({ scheduleId, limit: 100 }))
    .toReversed()
    .filter(({ type }) => type.startsWith("schedule_"))
    .map(({ type, data }) => [type, data === undefined ? undefined : JSON.parse(data)]);

describe("schedules", () => {
  test("fire at their time, each occurrence a task of its own, and count from the occurrence", async () => {
    const rig = new Rig();
    await put(rig, row("s"));
    const worker = rig.worker([task("t", () => 1)]);
    await worker.start();
    await rig.pass(59_900);
    expect(await firedOf(rig, "s")).toBe(0);
    await rig.pass(300);
    await until(async () => (await firedOf(rig, "s")) === 1);
    await rig.pass(60_000);
    const { items } = await rig.backend.desk.find({ scheduleId: "s", limit: 9 });
    expect(items.map((each) => each.status)).toEqual(["completed", "completed"]);
    const [after] = await rig.backend.schedules.list({ ids: ["s"], limit: 1 });
    expect(after).toMatchObject({ runCount: 2, nextRunAt: START + 180_000 });
    expect(await eventsOf(rig, "s")).toEqual([
      ["schedule_fired", { occurrence: "2026-01-01T00:01:00.000Z" }],
      ["schedule_fired", { occurrence: "2026-01-01T00:02:00.000Z" }],
    ]);
    await worker.stop();
  });

  test("a drain fires what was due at its start, and does not run after the time", async () => {
    const rig = new Rig();
    await put(rig, row("s", { rule: { type: "interval", every: 1 }, nextRunAt: START }));
    await rig.worker([task("t", () => rig.clock.advance(50))]).drain();
    expect(await firedOf(rig, "s")).toBe(1);
  });

  test("one whose time is no date does not keep the others, and is told once", async () => {
    const rig = new Rig();
    await put(rig, row("bad", { rule: { type: "once" }, nextRunAt: -9e15 }), row("good"));
    const worker = rig.worker([task("t", () => 1)]);
    await worker.start();
    await rig.pass(61_000, 500);
    expect(await firedOf(rig, "good")).toBe(1);
    expect(rig.logs.filter(({ data }) => data?.["scheduleId"] === "bad").length).toBe(1);
    await worker.stop();
  });

  test("a new one is seen by its hint; the latest of those missed fires, the others leave an event", async () => {
    const rig = new Rig();
    const worker = rig.worker([task("t", () => 1)]);
    await worker.start();
    await rig.pass(1_000);
    await put(rig, row("s", { nextRunAt: START - 5 * 60_000 }));
    await rig.pass(200);
    expect(await firedOf(rig, "s")).toBe(1);
    expect(await eventsOf(rig, "s")).toEqual([
      ["schedule_skipped", { skipped: 5, reason: "missed", from: "2025-12-31T23:55:00.000Z" }],
      ["schedule_fired", { occurrence: "2026-01-01T00:00:00.000Z" }],
    ]);
    await worker.stop();
  });

  test("all that were missed fire, oldest first, where that is asked for; none where it is not wanted", async () => {
    const rig = new Rig();
    const nextRunAt = START - 250 * 60_000;
    await put(
      rig,
      row("all", { nextRunAt, policy: { ...DEFAULT_SCHEDULE_POLICY, catchUp: { all: 250 } } }),
      row("none", {
        nextRunAt: nextRunAt - 1,
        policy: { ...DEFAULT_SCHEDULE_POLICY, catchUp: "skip" },
        rule: { type: "timestamp", at: nextRunAt - 1 },
      }),
    );
    const times: (number | undefined)[] = [];
    await rig.worker([task("t", (_, ctx) => times.push(ctx.task.runAt?.getTime()))], { concurrency: 1 }).drain();
    expect(times).toEqual(Array.from({ length: 250 }, (_, i) => nextRunAt + (i + 1) * 60_000));
    expect(await eventsOf(rig, "none")).toEqual([
      ["schedule_skipped", { skipped: 1, reason: "missed", from: new Date(nextRunAt - 1).toISOString() }],
      ["schedule_completed", undefined],
    ]);
    const [all] = await rig.backend.schedules.list({ ids: ["all"], limit: 1 });
    expect(all).toMatchObject({ runCount: 250, nextRunAt: START + 60_000 });
  });

  test("where none may overlap, an occurrence is passed over while a task of an earlier one has not ended, and not counted", async () => {
    const rig = new Rig();
    const policy = { ...DEFAULT_SCHEDULE_POLICY, overlap: "skip" } as const;
    await put(rig, row("alone", { policy, maxRuns: 2, rule: { type: "interval", every: 1_000 }, nextRunAt: START + 1_000 }));
    const first = gate();
    const worker = rig.worker([task("t", () => first.promise)]);
    await worker.start();
    await rig.pass(3_500);
    expect(await firedOf(rig, "alone")).toBe(1);
    first.open();
    await rig.pass(1_000);
    expect(await firedOf(rig, "alone")).toBe(2);
    const skipped = (second: number) => [
      "schedule_skipped",
      { skipped: 1, reason: "overlap", from: new Date(START + second * 1_000).toISOString() },
    ];
    const fired = (second: number) => ["schedule_fired", { occurrence: new Date(START + second * 1_000).toISOString() }];
    expect(await eventsOf(rig, "alone")).toEqual([fired(1), skipped(2), skipped(3), fired(4), ["schedule_completed", undefined]]);
    await worker.stop();
  });

  test("a task that waits for its retry has not ended", async () => {
    const rig = new Rig();
    const policy = { ...DEFAULT_SCHEDULE_POLICY, overlap: "skip" } as const;
    const template = {
      ...DEFAULT_POLICY,
      func: "t",
      args: "{}",
      queue: "default",
      priority: 0,
      tags: [],
      retryDelay: 2_500,
      maxRetries: 1,
    };
    await put(rig, row("alone", { policy, template, rule: { type: "interval", every: 1_000 }, nextRunAt: START + 1_000 }));
    const worker = rig.worker([task("t", (_, { attempt }) => (attempt === 1 ? Promise.reject(new Error("not yet")) : 1))]);
    await worker.start();
    await rig.pass(3_400);
    expect(await firedOf(rig, "alone")).toBe(1);
    await rig.pass(1_000);
    expect(await firedOf(rig, "alone")).toBe(2);
    await worker.stop();
  });

  test("with a jitter its tasks start later by chance, and its times do not drift", async () => {
    const rig = new Rig();
    await put(rig, row("s", { policy: { ...DEFAULT_SCHEDULE_POLICY, jitter: 10_000 } }));
    const starts: number[] = [];
    const worker = rig.worker([task("t", () => starts.push(rig.clock.now()))]);
    await worker.start();
    await rig.pass(61_000);
    const { items } = await rig.backend.desk.find({ scheduleId: "s", limit: 9 });
    expect(items).toMatchObject([{ phase: "delayed", runAt: START + 65_000 }]);
    await rig.pass(130_000);
    expect(starts.map((at) => Math.floor((at - START) / 1_000))).toEqual([65, 125, 185]);
    const [after] = await rig.backend.schedules.list({ ids: ["s"], limit: 1 });
    expect(after?.nextRunAt).toBe(START + 240_000);
    await worker.stop();
  });

  test("the wall clock set back or far forward fires no occurrence twice, and brings no flood", async () => {
    const rig = new Rig();
    await put(rig, row("s", { rule: { type: "interval", every: 1_000 }, nextRunAt: START + 1_000 }));
    const worker = rig.worker([task("t", () => 1)]);
    await worker.start();
    await rig.pass(3_500);
    rig.clock.jump(-3_600_000);
    await rig.pass(5_000);
    expect(await firedOf(rig, "s")).toBe(3);
    rig.clock.jump(3_600_000);
    await rig.pass(35_000, 1_000);
    const before = await firedOf(rig, "s");
    rig.clock.jump(50 * 365 * 86_400_000);
    await rig.pass(2_000);
    expect((await firedOf(rig, "s")) - before).toBeLessThanOrEqual(4);
    const occurrences = (await eventsOf(rig, "s")).flatMap(([type, data]) => (type === "schedule_fired" ? [JSON.stringify(data)] : []));
    expect(new Set(occurrences).size).toBe(occurrences.length);
    await worker.stop();
  });

  test("timers that fire early lose no occurrence, fire none twice and start nothing before its time", async () => {
    const clock = new TestClock();
    const after = clock.after.bind(clock);
    // As Node's timers do at times, by a millisecond or two.
    Object.assign(clock, { after: (ms: number, fn: () => void) => after(ms - 2, fn) });
    const rig = new Rig({ clock });
    const starts: number[] = [];
    await put(rig, row("s", { rule: { type: "interval", every: 1_000 }, nextRunAt: START + 1_000 }));
    const [delayed] = await rig.enqueue({ func: "t", due: { at: START + 1_500 } });
    const worker = rig.worker([task("t", () => starts.push(rig.clock.now()))]);
    await worker.start();
    await rig.pass(10_400, 1);
    const { items } = await rig.backend.desk.find({ scheduleId: "s", limit: 99 });
    expect(items.map(({ runAt }) => runAt).toReversed()).toEqual(Array.from({ length: 10 }, (_, i) => START + 1_000 * (i + 1)));
    for (const { startedAt = 0, dueAt } of [...items, await rig.get(delayed)]) expect(startedAt).toBeGreaterThanOrEqual(dueAt);
    expect(starts).toHaveLength(11);
    await worker.stop();
  });

  test("a machine that boots in 1970 and is then set to today makes up for nothing but what its policy says", async () => {
    const rig = new Rig({ clock: new TestClock(0) });
    const cron = { type: "cron", cron: "* * * * *", timezone: "UTC" } as const;
    await put(rig, row("latest", { nextRunAt: 60_000 }), row("cron", { rule: cron, nextRunAt: 60_000 }));
    await put(rig, row("all", { nextRunAt: 60_000, policy: { ...DEFAULT_SCHEDULE_POLICY, catchUp: { all: 5 } } }));
    const worker = rig.worker([task("t", () => 1)]);
    await worker.start();
    await rig.pass(5_000);
    rig.clock.jump(START);
    await rig.pass(40_000, 1_000);
    expect([await firedOf(rig, "latest"), await firedOf(rig, "cron"), await firedOf(rig, "all")]).toEqual([1, 1, 5]);
    const rows = await rig.backend.schedules.list({ ids: ["latest", "cron", "all"], limit: 9 });
    for (const { nextRunAt = 0 } of rows) expect(nextRunAt - rig.clock.now()).toBeLessThanOrEqual(60_000);
    await worker.stop();
  });

  test("the last run completes it; a paused one does not fire", async () => {
    const rig = new Rig();
    await put(
      rig,
      row("once", { rule: { type: "once" }, nextRunAt: START }),
      row("limited", { maxRuns: 1, nextRunAt: START }),
      row("paused", { status: "paused", nextRunAt: START }),
    );
    const worker = rig.worker([task("t", () => 1)]);
    await worker.drain();
    expect(await firedOf(rig, "once")).toBe(1);
    expect(await firedOf(rig, "limited")).toBe(1);
    expect(await firedOf(rig, "paused")).toBe(0);
    const rows = await rig.backend.schedules.list({ ids: ["once", "limited"], limit: 9 });
    expect(rows.map((each) => each.status)).toEqual(["completed", "completed"]);
    expect((await eventsOf(rig, "limited")).at(-1)).toEqual(["schedule_completed", undefined]);
  });

  test("two workers fire each occurrence once", async () => {
    const rig = new Rig();
    await put(rig, row("s", { rule: { type: "interval", every: 1_000 }, nextRunAt: START + 1_000 }));
    const workers = [rig.worker([task("t", () => 1)]), rig.worker([task("t", () => 1)])];
    await Promise.all(workers.map((worker) => worker.start()));
    await rig.pass(10_500);
    expect(await firedOf(rig, "s")).toBe(10);
    const stopped = Promise.all(workers.map((worker) => worker.stop()));
    await quiet();
    await stopped;
  });

  test("its tasks have nothing of what its options cover", () => {
    const { template } = row("s");
    const task = taskOf(row("s", { template: { ...template, covered: { priority: 1 } } }), { newId: () => "t" });
    expect(task).toEqual({ ...template, id: "t", scheduleId: "s", dependsOn: [] });
  });

  test("a broken one is told of once and keeps nobody; neither does one that cannot be fired", async () => {
    const rig = new Rig();
    const broken = row("broken", { rule: { type: "cron", cron: "nonsense", timezone: "UTC" }, nextRunAt: START });
    await put(rig, broken, row("unfirable", { nextRunAt: START }), row("good", { nextRunAt: START }));
    const schedules = { ...rig.backend.schedules };
    let fires = 0;
    Object.assign(rig.backend.schedules, {
      fire: (set: Parameters<typeof schedules.fire>[0]) => {
        fires++;
        return set.some(({ id }) => id === "unfirable") ? Promise.reject(new Error("row")) : schedules.fire(set);
      },
    });
    const worker = rig.worker([task("t", () => 1)]);
    await worker.start();
    await rig.pass(10_000);
    expect(await firedOf(rig, "good")).toBe(1);
    expect(rig.logs.filter(({ message }) => message.startsWith("A schedule cannot be computed"))).toHaveLength(1);
    expect(
      rig.logs.some(({ message, data }) => message.startsWith("A schedule could not be fired") && data?.["scheduleId"] === "unfirable"),
    ).toBe(true);
    expect(fires).toBeLessThan(20);
    await worker.stop();
  });

  test("ten thousand that are due in the same second all fire, a bounded number in one write", async () => {
    const clock = new TestClock();
    const backend = new SQLiteBackend({ path: ":memory:", clock });
    await backend.open();
    const rig = new Rig({ clock, backend });
    await Promise.all(Array.from({ length: 10_000 }, (_, i) => backend.schedules.put(row(`s${i}`, { nextRunAt: START }))));
    const sizes: number[] = [];
    const schedules = { ...backend.schedules };
    Object.assign(backend.schedules, {
      fire: (set: Parameters<typeof schedules.fire>[0]) => {
        sizes.push(set.length);
        return schedules.fire(set);
      },
    });
    await rig.worker([], { queues: ["other"] }).drain();
    expect(sizes.reduce((sum, size) => sum + size)).toBe(10_000);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(100);
    const counts = await backend.desk.count(20_000);
    expect(counts).toMatchObject([{ phase: "ready", tasks: 10_000 }]);
    await backend.close();
  });

  test("many that are broken do not keep the others from firing, and none of them fires", async () => {
    const rig = new Rig();
    const bad = { type: "cron", cron: "nonsense", timezone: "UTC" } as const;
    await put(rig, ...Array.from({ length: 120 }, (_, i) => row(`bad${i}`, { rule: bad, nextRunAt: START - 1 })));
    await put(rig, row("half", { nextRunAt: START - 1 }), row("good", { nextRunAt: START + 1_000 }));
    const schedules = { ...rig.backend.schedules };
    Object.assign(rig.backend.schedules, {
      // As a store reads a row that was changed by hand.
      list: async (query: Parameters<typeof schedules.list>[0]) => {
        const rows = await schedules.list(query);
        return rows.map((each) => (each.id === "half" ? Object.assign({}, each, { unreadable: ["template"] }) : each));
      },
    });
    const worker = rig.worker([task("t", () => 1)]);
    await worker.start();
    await rig.pass(3_000);
    expect([await firedOf(rig, "good"), await firedOf(rig, "half"), await firedOf(rig, "bad0")]).toEqual([1, 0, 0]);
    await worker.stop();
  });

  test("that somebody else always fires first are not fought over", async () => {
    const rig = new Rig();
    await put(rig, row("s", { nextRunAt: START }));
    let fires = 0;
    Object.assign(rig.backend.schedules, {
      fire: () => {
        fires++;
        return Promise.resolve([{ is: "stale" }]);
      },
    });
    const worker = rig.worker([]);
    await worker.start();
    await rig.pass(10_000);
    expect(fires).toBeGreaterThan(5);
    expect(fires).toBeLessThan(20);
    await worker.stop();
  });

  test("events elsewhere tell of several at once, and of what was passed over", async () => {
    const clock = new TestClock();
    const rig = new Rig({ clock, events: new ModelBackend({ clock }) });
    const policy = { ...DEFAULT_SCHEDULE_POLICY, catchUp: { all: 3 } };
    await put(rig, row("all", { policy, nextRunAt: START - 2 * 60_000 }));
    await put(rig, row("alone", { policy: { ...policy, overlap: "skip" }, nextRunAt: START }));
    await put(rig, row("alone-too", { policy: { ...policy, overlap: "skip" }, nextRunAt: START }));
    const worker = rig.worker([]);
    await worker.start();
    await rig.pass(61_000, 1_000);
    await worker.stop();
    const types = async (id: string) => (await eventsOf(rig, id)).map(([type]) => type);
    expect(await types("all")).toEqual(["schedule_fired", "schedule_fired", "schedule_fired", "schedule_fired"]);
    for (const id of ["alone", "alone-too"]) expect(await types(id)).toEqual(["schedule_fired", "schedule_skipped"]);
    const enqueued = await rig.stores.events.events.newest({ type: "enqueued", limit: 100 });
    expect(enqueued).toHaveLength(6);
  });

  test("events elsewhere tell of the end when it has come, not when its last occurrence was recorded before", async () => {
    const clock = new TestClock();
    const rig = new Rig({ clock, events: new ModelBackend({ clock }) });
    await put(rig, row("s", { nextRunAt: START }));
    await rig.worker([task("t", () => 1)]).drain();
    await rig.backend.schedules.drop(["s"]);
    await put(rig, row("s", { nextRunAt: START, maxRuns: 1 }));
    const completed = async () => (await eventsOf(rig, "s")).filter(([type]) => type === "schedule_completed").length;
    const worker = rig.worker([task("t", () => 1)]);
    await worker.start();
    await rig.pass(200);
    expect(await completed()).toBe(0);
    await rig.pass(60_000);
    expect(await completed()).toBe(1);
    expect((await rig.backend.schedules.list({ ids: ["s"], limit: 1 }))[0]).toMatchObject({ status: "completed", runCount: 1 });
    await worker.stop();
  });

  test("events elsewhere are written there, once", async () => {
    const clock = new TestClock();
    const rig = new Rig({ clock, events: new ModelBackend({ clock }) });
    await put(rig, row("s", { rule: { type: "once" }, nextRunAt: START }));
    await rig.worker([task("t", () => 1)]).drain();
    expect((await eventsOf(rig, "s")).map(([type]) => type)).toEqual(["schedule_fired", "schedule_completed"]);
    const { items } = await rig.backend.desk.find({ scheduleId: "s", limit: 9 });
    expect(await rig.story(items[0]?.id)).toEqual(["enqueued", "schedule_fired", "executing", "completed"]);
  });
});
