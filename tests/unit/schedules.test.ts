/** What schedules promise, asked of the façade: on the model and on SQLite in memory. */
import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { defineTask, OmniQ } from "../../src/index.ts";
import type { Backend } from "../../src/index.ts";
import { SQLiteBackend } from "../../src/sqlite.ts";
import { ModelBackend, TestClock } from "../../src/testing/index.ts";

const tick = defineTask({ name: "tick", handler: () => "tock" });
const SECOND = 1_000;

const PLACES: readonly (readonly [string, (clock: TestClock) => Backend])[] = [
  ["the model", (clock) => new ModelBackend({ clock })],
  ["SQLite", (clock) => new SQLiteBackend({ path: ":memory:", clock })],
];

/** What people do to a schedule; times are in milliseconds. */
const anything = fc.array(
  fc.oneof(
    fc.record({ what: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 8 * SECOND }) }),
    fc.record({ what: fc.constant("rewind" as const), ms: fc.integer({ min: 0, max: 20 * SECOND }) }),
    fc.record({ what: fc.constantFrom("pause" as const, "make again" as const, "run by hand" as const), ms: fc.constant(0) }),
  ),
  { maxLength: 14 },
);

describe.each(PLACES)("schedules on %s", (_, open) => {
  let clock: TestClock;
  let omniq: OmniQ<unknown>;
  beforeEach(() => {
    clock = new TestClock();
    omniq = new OmniQ<unknown>({ backend: open(clock), clock });
  });
  afterEach(() => omniq.close());
  const drain = (): Promise<void> => omniq.worker({ tasks: [tick] }).drain();

  describe("one that would never fire", () => {
    test("is refused when it is made, and nothing is written", async () => {
      const past = new Date(clock.now() - 1);
      const soon = new Date(clock.now() + SECOND);
      await expect(omniq.schedule(tick, undefined, { id: "s", cron: "* * * * *", endAt: past })).rejects.toThrow("it would never fire");
      await expect(omniq.schedule(tick, undefined, { id: "s", every: "1h", endAt: soon })).rejects.toThrow("`endAt`");
      await expect(
        omniq.schedule(tick, undefined, { id: "s", cron: "@yearly", startAt: new Date("3001-06-01T00:00:00Z") }),
      ).rejects.toMatchObject({ code: "INVALID_OPTION", message: expect.stringContaining("`cron`") as string });
      const task = await omniq.enqueue(tick);
      await expect(omniq.scheduleTask(task, { every: "1h", endAt: soon })).rejects.toThrow("it would never fire");
      expect(await omniq.schedules.list()).toEqual([]);
    });

    test("that is there stays as it is: code that runs at each start goes on to run after its end, or its only time", async () => {
      const options = { id: "campaign", every: SECOND, endAt: new Date(clock.now() + 2 * SECOND) } as const;
      const single = { id: "single", at: new Date(clock.now() + SECOND) } as const;
      const start = () => Promise.all([omniq.schedule(tick, undefined, options), omniq.schedule(tick, undefined, single)]);
      await start();
      await clock.advance(5 * SECOND);
      for (const when of ["while it is not completed yet", "afterwards"]) {
        expect(await start(), when).toMatchObject([
          { created: false, changed: false },
          { created: false, changed: false },
        ]);
        await drain();
      }
      expect(await omniq.schedules.list()).toMatchObject([{ status: "completed" }, { status: "completed" }]);
      expect((await omniq.tasks.find({})).items).toHaveLength(2);
    });

    test("after a change is completed: an end that is past ends it", async () => {
      const handle = await omniq.schedule(tick, undefined, { id: "s", every: SECOND });
      await omniq.schedule(tick, undefined, { id: "s", every: SECOND, endAt: new Date(clock.now() - 1) });
      expect(await handle.get()).toMatchObject({ status: "completed", nextRunAt: undefined });
    });

    test("an `at` that is past runs at once", async () => {
      const handle = await omniq.schedule(tick, undefined, { at: new Date(clock.now() - SECOND) });
      await drain();
      expect(await handle.get()).toMatchObject({ status: "completed", runCount: 1 });
    });
  });

  test.each([{ every: SECOND }, { cron: "* * * * * *" }])(
    "%j: an occurrence at exactly startAt, now, and at exactly endAt runs",
    async (when) => {
      const startAt = new Date(clock.now());
      const only = await omniq.schedule(tick, undefined, { ...when, id: "only", startAt, endAt: startAt });
      const both = await omniq.schedule(tick, undefined, { ...when, id: "both", startAt, endAt: new Date(clock.now() + SECOND) });
      await drain();
      await clock.advance(5 * SECOND);
      await drain();
      expect(await only.get()).toMatchObject({ status: "completed", runCount: 1 });
      expect(await both.get()).toMatchObject({ status: "completed", runCount: 2 });
    },
  );

  test("one that runs once is not passed over: `overlap` is refused, and a task by hand that is open does not keep it from running", async () => {
    for (const when of [{ once: true as const }, { at: new Date(clock.now() + SECOND) }]) {
      await expect(omniq.schedule(tick, undefined, { ...when, overlap: "skip" })).rejects.toThrow("Expected `overlap`");
      const handle = await omniq.schedule(tick, undefined, { ...when, queueName: "not worked on" });
      await handle.runNow();
      await clock.advance(SECOND);
      await drain();
      expect(await handle.get()).toMatchObject({ status: "completed", runCount: 1 });
    }
  });

  test("an occurrence that ran does not run again when its schedule is deleted and made again; another time or id does, and runNow", async () => {
    const at = new Date(clock.now() + SECOND);
    const handle = await omniq.schedule(tick, undefined, { id: "s", at });
    await clock.advance(SECOND);
    await drain();
    await handle.delete();
    await omniq.schedule(tick, undefined, { id: "s", at });
    await drain();
    expect(await handle.get()).toMatchObject({ status: "completed", runCount: 0 });
    await handle.runNow();
    await omniq.schedule(tick, undefined, { id: "other", at });
    await omniq.schedule(tick, undefined, { id: "s", at: new Date(at.getTime() + 1) });
    await clock.advance(1);
    await drain();
    expect(await handle.get()).toMatchObject({ status: "completed", runCount: 1 });
    expect((await omniq.tasks.find({ scheduleId: "s" })).items).toHaveLength(3);
    expect((await omniq.tasks.find({ scheduleId: "other" })).items).toHaveLength(1);
  });

  describe("maxRuns", () => {
    test("counts no occurrence that was recorded before: it goes on until it has had its runs", async () => {
      const handle = await omniq.schedule(tick, undefined, { id: "s", every: SECOND, maxRuns: 2 });
      const made = new Date(clock.now());
      await clock.advance(SECOND);
      await drain();
      await handle.pause();
      await handle.resume({ from: made });
      await drain();
      expect(await handle.get()).toMatchObject({ status: "active", runCount: 1, nextRunAt: new Date(made.getTime() + 2 * SECOND) });
      expect(await omniq.events.find({ scheduleId: "s", eventType: "schedule_completed" })).toEqual([]);
      await clock.advance(SECOND);
      await drain();
      expect(await handle.get()).toMatchObject({ status: "completed", runCount: 2, nextRunAt: undefined });
      expect(await omniq.events.find({ scheduleId: "s", eventType: "schedule_completed" })).toHaveLength(1);
    });

    test("is what a schedule makes, whatever is done to it meanwhile", async () => {
      const timing = fc.constantFrom({ every: SECOND }, { cron: "* * * * * *" }, { every: 2 * SECOND });
      const catchUp = fc.constantFrom<("latest" | "skip" | { all: number })[]>("latest", "skip", { all: 3 }, { all: 150 });
      let id = 0;
      await fc.assert(
        fc.asyncProperty(timing, catchUp, fc.integer({ min: 1, max: 5 }), anything, async (when, missed, maxRuns, steps) => {
          const options = { ...when, id: `s${++id}`, catchUp: missed, maxRuns };
          const handle = await omniq.schedule(tick, undefined, options);
          let earlier = 0;
          let byHand = 0;
          for (const { what, ms } of steps) {
            const { status, runCount } = (await handle.get()) ?? { status: "gone", runCount: 0 };
            if ((what === "pause" || what === "rewind") && status === "active") await handle.pause();
            if (what === "rewind" && status !== "completed") await handle.resume({ from: new Date(clock.now() - ms) });
            if (what === "wait") await clock.advance(ms);
            if (what === "run by hand") byHand += Number((await handle.runNow()).created);
            if (what === "make again") {
              earlier += runCount;
              await handle.delete();
              await omniq.schedule(tick, undefined, options);
            }
            await drain();
          }
          if ((await handle.get())?.status === "paused") await handle.resume();
          for (let i = 0; i < maxRuns; i++) {
            await clock.advance(2 * SECOND);
            await drain();
          }
          expect(await handle.get()).toMatchObject({ status: "completed", runCount: maxRuns });
          const { items } = await omniq.tasks.find({ scheduleId: options.id, limit: 1_000 });
          expect(items).toHaveLength(earlier + byHand + maxRuns);
          const fired = await omniq.events.find({ scheduleId: options.id, eventType: "schedule_fired", limit: 1_000 });
          expect(fired).toHaveLength(items.length);
        }),
        { numRuns: 40 },
      );
    });
  });
});
