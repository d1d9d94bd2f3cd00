import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { Schedule, ScheduleStatus, ScheduleType } from "../../../src/models/schedule.ts";
import type { ScheduleInit } from "../../../src/models/schedule.ts";
import { TestClock } from "../../../src/testing/clock.ts";
import { createSchedule } from "../../fixtures/factories.ts";

const MINUTE = 60_000;
/** 2026-01-01T00:00:00Z. */
const clock = new TestClock();
const now = clock.now();
const at = (ms: number): Date => new Date(now + ms);
const make = (init: ScheduleInit, by = clock) => new Schedule(init, { clock: by });

describe("a new schedule", () => {
  test("has the seed's defaults", () => {
    const schedule = createSchedule({}, { clock });
    expect(schedule).toMatchObject({
      scheduleType: ScheduleType.Interval,
      cronExpression: undefined,
      interval: 5 * MINUTE,
      runAt: undefined,
      maxRuns: undefined,
      startAt: undefined,
      endAt: undefined,
      jitter: undefined,
      catchUp: "latest",
      overlap: "allow",
      lastTaskId: undefined,
      status: ScheduleStatus.Active,
      createdAt: at(0),
      lastRunAt: undefined,
      nextRunAt: at(5 * MINUTE),
      runCount: 0,
      pausedAt: undefined,
      resumedAt: undefined,
      name: "Test Schedule",
      description: "A test schedule",
      tags: ["test", "schedule"],
    });
    expect(schedule.id).not.toBe(schedule.taskId);
  });

  test("is of the type that its trigger says", () => {
    expect(make({ cronExpression: "0 3 * * *" }).scheduleType).toBe("cron");
    expect(make({ interval: "1h" }).scheduleType).toBe("interval");
    expect(make({ runAt: at(1) }).scheduleType).toBe("timestamp");
    expect(make({}).scheduleType).toBe("once");
  });

  test.each<[string, ScheduleInit, number]>([
    ["cron", { cronExpression: "0 3 * * *" }, 3 * 60 * MINUTE],
    ["cron in its zone", { cronExpression: "0 3 * * *", timezone: "Europe/Berlin" }, 2 * 60 * MINUTE],
    ["cron with seconds", { cronExpression: "30 * * * * *" }, 30_000],
    ["interval", { interval: "90s" }, 90_000],
    ["timestamp", { runAt: at(7) }, 7],
    ["timestamp in the past", { runAt: at(-7) }, -7],
    ["once", {}, 0],
  ])("nextRunAt is the first occurrence: %s", (_, init, expected) => {
    expect(make(init).nextRunAt).toEqual(at(expected));
  });

  test("its occurrences begin at startAt and end at endAt", () => {
    const schedule = make({ interval: "1h", startAt: at(5), endAt: at(5 + 60 * MINUTE) });
    expect(schedule.nextRunAt).toEqual(at(5));
    schedule.markRun();
    expect(schedule.nextRunAt).toEqual(at(5 + 60 * MINUTE));
    schedule.markRun();
    expect(schedule).toMatchObject({ status: "completed", nextRunAt: undefined });
    expect(make({ cronExpression: "0 3 * * *", startAt: at(24 * 60 * MINUTE) }).nextRunAt).toEqual(at(27 * 60 * MINUTE));
  });

  test("has its policy of the present values", () => {
    const schedule = make({ interval: "1h", jitter: "5s", catchUp: { all: 3 }, overlap: "skip" });
    expect(schedule.policy).toEqual({ catchUp: { all: 3 }, overlap: "skip", jitter: 5_000 });
    schedule.endAt = at(1);
    expect(schedule.policy).toEqual({ catchUp: { all: 3 }, overlap: "skip", jitter: 5_000, endAt: now + 1 });
    schedule.startAt = at(2);
    expect(() => schedule.policy).toThrow("`endAt`");
  });

  test.each<[string, object]>([
    ["catchUp", { catchUp: "all" }],
    ["catchUp", { catchUp: { all: 0 } }],
    ["overlap", { overlap: "queue" }],
    ["jitter", { jitter: -1 }],
    ["startAt", { startAt: "soon" }],
    ["startAt", { startAt: new Date(8.64e15) }],
    ["startAt", { interval: undefined, startAt: at(1) }],
    ["endAt", { interval: undefined, runAt: at(2), endAt: at(1) }],
    ["endAt", { startAt: at(2), endAt: at(1) }],
    ["overlap", { interval: undefined, overlap: "skip" }],
  ])("a wrong %s is refused: %o", (name, init) => {
    expect(() => make({ interval: "1h", ...init })).toThrow(`\`${name}\``);
  });

  test("nextRunAt is the given one where there is one", () => {
    expect(make({ interval: "1h", nextRunAt: at(1) }).nextRunAt).toEqual(at(1));
  });

  test("a paused or completed one has no next time of its own", () => {
    expect(make({ interval: "1h", status: "paused" }).nextRunAt).toBeUndefined();
    expect(make({ interval: "1h", status: "completed" }).nextRunAt).toBeUndefined();
  });

  test.each<[string, object, RegExp]>([
    ["two triggers", { interval: "1h", cronExpression: "* * * * *" }, /type "cron" to have one trigger at most, its own, got `interval`/],
    ["a time beside an interval", { interval: "1h", runAt: at(1) }, /type "interval" .* got `runAt`/],
    ["another type's trigger", { scheduleType: "interval", cronExpression: "* * * * *" }, /type "interval" .* got `cronExpression`/],
    ["a trigger for once", { scheduleType: "once", runAt: at(1) }, /type "once" .* got `runAt`/],
    ["no trigger", { scheduleType: "cron" }, /Expected `cronExpression` to be given for a schedule of the type "cron", got undefined/],
    ["no interval", { scheduleType: "interval" }, /Expected `interval` to be given/],
    ["a broken cron", { cronExpression: "every day" }, /Expected `cron` to be a cron expression of 5 or 6 fields, got "every day"/],
    ["a cron no date matches", { cronExpression: "0 0 30 2 *" }, /Expected `cron`/],
    ["a cron no date matches from its start on", { cronExpression: "@yearly", startAt: "3001-01-01T00:00:00Z" }, /Expected `cron`/],
    ["a zone nobody knows", { cronExpression: "* * * * *", timezone: "Mars/Base" }, /Expected `timezone`/],
    ["no length", { interval: 0 }, /Expected `interval` to be a whole number of at least 1, got 0/],
    ["a negative length", { interval: "-1s" }, /Expected `interval`/],
    ["no runs", { maxRuns: 0 }, /Expected `maxRuns` to be a whole number of at least 1, got 0/],
    ["a status nobody knows", { status: "stopped" }, /Expected `status` to be one of "active", "paused", "completed"/],
    ["a type nobody knows", { scheduleType: "daily" }, /Expected `scheduleType`/],
    ["an unknown field", { cron: "* * * * *" }, /got `cron`/],
    ["a typo", { maxRun: 1 }, /Did you mean `maxRuns`/],
  ])("is refused with %s", (_, init, message) => {
    expect(() => Schedule.fromJSON(init)).toThrow(message);
  });
});

describe("isReady", () => {
  test("active and its time reached, of the present values", () => {
    const schedule = make({ interval: "1h" });
    expect(schedule.isReady).toBe(false);
    schedule.nextRunAt = at(0);
    expect(schedule.isReady).toBe(true);
    schedule.status = "paused";
    expect(schedule.isReady).toBe(false);
  });
});

describe("markRun", () => {
  test("counts, and moves on from the occurrence, not from the wall clock", async () => {
    const own = new TestClock();
    const schedule = make({ interval: MINUTE }, own);
    await own.advance(MINUTE + 700);
    schedule.markRun();
    expect(schedule).toMatchObject({ runCount: 1, lastRunAt: at(MINUTE + 700), nextRunAt: at(2 * MINUTE), status: "active" });
  });

  test("the last of maxRuns completes it", () => {
    const schedule = make({ interval: MINUTE, maxRuns: 2 });
    schedule.markRun();
    expect(schedule.status).toBe("active");
    schedule.markRun();
    expect(schedule).toMatchObject({ runCount: 2, status: "completed", nextRunAt: undefined });
    expect(() => schedule.markRun()).toThrow(expect.objectContaining({ code: "ILLEGAL_TRANSITION" }));
  });

  test.each<ScheduleInit>([{ runAt: at(0) }, {}])("a single run completes it: %o", (init) => {
    const schedule = make(init);
    schedule.markRun();
    expect(schedule).toMatchObject({ runCount: 1, status: "completed", nextRunAt: undefined });
  });

  test("a paused one does not run", () => {
    const schedule = make({ interval: MINUTE });
    schedule.pause();
    expect(() => schedule.markRun()).toThrow(/Expected schedule .* to be able to become run, but it is paused/);
    expect(schedule.runCount).toBe(0);
  });
});

describe("pause and resume", () => {
  test("pause stops it, resume computes the next time anew", async () => {
    const own = new TestClock();
    const schedule = make({ cronExpression: "0 * * * *" }, own);
    schedule.pause();
    expect(schedule).toMatchObject({ status: "paused", pausedAt: at(0), nextRunAt: undefined });
    await own.advance(150 * MINUTE);
    schedule.resume();
    expect(schedule).toMatchObject({ status: "active", resumedAt: at(150 * MINUTE), nextRunAt: at(180 * MINUTE) });
  });

  test("an interval begins anew", async () => {
    const own = new TestClock();
    const schedule = make({ interval: "1h" }, own);
    schedule.pause();
    await own.advance(90 * MINUTE);
    schedule.resume();
    expect(schedule.nextRunAt).toEqual(at(150 * MINUTE));
  });

  test.each<[ScheduleInit, number]>([
    [{ runAt: at(MINUTE) }, MINUTE],
    [{}, 5 * MINUTE],
  ])("a single run that did not come yet is due: %o", async (init, expected) => {
    const own = new TestClock();
    const schedule = make(init, own);
    schedule.pause();
    await own.advance(5 * MINUTE);
    schedule.resume();
    expect(schedule).toMatchObject({ status: "active", nextRunAt: at(expected) });
    expect(schedule.isReady).toBe(true);
  });

  test("a single run that was put off after it had come is still to come", () => {
    const schedule = make({ runAt: at(0), status: "paused", runCount: 1, lastRunAt: at(1) });
    schedule.runAt = at(MINUTE);
    schedule.resume();
    expect(schedule).toMatchObject({ status: "active", nextRunAt: at(MINUTE) });
    const done = make({ runAt: at(0), status: "paused", runCount: 1, lastRunAt: at(0) });
    done.resume();
    expect(done.status).toBe("completed");
  });

  test("a single run that has come is over", () => {
    const schedule = make({ runAt: at(0), status: "paused", runCount: 1 });
    schedule.resume();
    expect(schedule).toMatchObject({ status: "completed", nextRunAt: undefined });
  });

  test("resumed from a time on, it counts from there", async () => {
    const own = new TestClock();
    const hourly = make({ cronExpression: "0 * * * *" }, own);
    const interval = make({ interval: "1h" }, own);
    const anchored = make({ interval: "1h", startAt: at(10) }, own);
    for (const each of [hourly, interval, anchored]) each.pause();
    await own.advance(300 * MINUTE);
    for (const each of [hourly, interval, anchored]) each.resume({ from: at(90 * MINUTE) });
    expect(hourly.nextRunAt).toEqual(at(120 * MINUTE));
    expect(interval.nextRunAt).toEqual(at(150 * MINUTE));
    expect(anchored.nextRunAt).toEqual(at(120 * MINUTE + 10));
    expect(hourly.resumedAt).toEqual(at(300 * MINUTE));
    expect(() => hourly.resume({ from: "now" as never })).toThrow("`from`");
    expect(() => hourly.resume({ from: new Date(8.64e15) })).toThrow("`from`");
  });

  test("twice is as once; a completed one does neither", async () => {
    const own = new TestClock();
    const schedule = make({ interval: "1h" }, own);
    schedule.resume();
    expect(schedule.resumedAt).toBeUndefined();
    schedule.pause();
    await own.advance(1);
    schedule.pause();
    expect(schedule.pausedAt).toEqual(at(0));
    const done = make({ status: "completed" });
    expect(() => done.pause()).toThrow(expect.objectContaining({ code: "ILLEGAL_TRANSITION" }));
    expect(() => done.resume()).toThrow(/Expected schedule .* to be able to become active, but it is completed/);
  });
});

describe("JSON", () => {
  test("comes back as it was, whatever the status", () => {
    const whole = {
      startAt: at(-5),
      endAt: at(9 * 60 * MINUTE),
      jitter: 7,
      catchUp: { all: 2 },
      overlap: "skip",
      lastTaskId: "t",
    } as const;
    for (const init of [
      { interval: "5m" },
      { interval: "5m", ...whole },
      { cronExpression: "@daily", timezone: "Asia/Tokyo" },
      { runAt: at(3) },
      {},
    ]) {
      const schedule = createSchedule({ scheduleType: undefined, ...init, maxRuns: 3 }, { clock });
      expect(Schedule.fromJSON(JSON.parse(JSON.stringify(schedule)))).toStrictEqual(schedule);
      schedule.pause();
      expect(Schedule.deserialize(schedule.serialize())).toStrictEqual(schedule);
      schedule.resume();
      schedule.markRun();
      expect(Schedule.deserialize(schedule.serialize())).toStrictEqual(schedule);
    }
  });

  test("reads the seed's keys, with null for absent", () => {
    const schedule = Schedule.fromJSON({
      id: "test-schedule-123",
      task_id: "test-task-123",
      schedule_type: "interval",
      cron_expression: null,
      interval: "5m",
      run_at: null,
      max_runs: 10,
      status: "active",
      created_at: "2026-01-01T00:00:00",
      last_run_at: null,
      next_run_at: null,
      run_count: 0,
      paused_at: null,
      resumed_at: null,
    });
    expect(schedule).toMatchObject({ taskId: "test-task-123", interval: 5 * MINUTE, maxRuns: 10, nextRunAt: at(5 * MINUTE) });
    expect(schedule.pausedAt).toBeUndefined();
  });
});

describe("identity", () => {
  test("equals: the id alone", () => {
    const schedule = createSchedule({ scheduleId: "same" });
    expect(schedule.equals(createSchedule({ scheduleId: "same", interval: 1 }))).toBe(true);
    expect(schedule.equals(createSchedule({ scheduleId: "other" }))).toBe(false);
    expect(schedule.equals("same")).toBe(false);
  });

  test("as text and in the console: Schedule, the id and the name", () => {
    const schedule = createSchedule({ name: "Nightly" });
    for (const shown of [String(schedule), inspect(schedule)]) {
      expect(shown).toContain("Schedule");
      expect(shown).toContain(schedule.id);
      expect(shown).toContain("Nightly");
    }
    expect(String(make({ id: "s" }))).toBe("Schedule(s once active)");
  });

  test("the words", () => {
    expect(Object.values(ScheduleType)).toEqual(["cron", "interval", "timestamp", "once"]);
    expect(Object.values(ScheduleStatus)).toEqual(["active", "paused", "completed"]);
  });
});
