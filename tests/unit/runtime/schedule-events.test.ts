/** What the log is told of schedules: with the change, where it lies in the same place; after it, once, where it lies elsewhere. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { defineTask, OmniQ } from "../../../src/index.ts";
import { ModelBackend, TestClock } from "../../../src/testing/index.ts";

const add = defineTask({ name: "add", handler: ({ x }: { x: number }) => x });
const bystander = defineTask({ name: "bystander", handler: () => undefined });

describe.each([
  ["in the same place", false],
  ["elsewhere", true],
])("events of schedules, %s", (_, apart) => {
  let clock: TestClock;
  let events: ModelBackend;
  let omniq: OmniQ;
  beforeEach(() => {
    clock = new TestClock();
    const backend = new ModelBackend({ clock });
    events = apart ? new ModelBackend({ clock }) : backend;
    omniq = new OmniQ({ backend, events, clock });
  });
  afterEach(() => omniq.close());
  /** Fires what is due, and runs nothing. */
  const fire = async (ms: number): Promise<void> => {
    await clock.advance(ms);
    await omniq.worker({ tasks: [bystander], queues: ["nobody"] }).drain();
  };
  const told = async (scheduleId: string): Promise<readonly string[]> =>
    (await omniq.events.find({ scheduleId })).map(({ eventType }) => eventType).toReversed();

  test("a log that cannot be appended to takes nothing from what is told of a change, nor tells it twice", async () => {
    await omniq.schedule(add, { x: 1 }, { id: "s", every: "1h" });
    const { ...log } = events.events;
    Object.assign(events.events, { append: () => Promise.reject(new Error("down")) });
    await omniq.schedules.pause("s");
    expect(await told("s")).toEqual(apart ? [] : ["schedule_paused"]);
    Object.assign(events.events, log);
    await omniq.schedules.resume("s");
    expect(await told("s")).toEqual(["schedule_paused", "schedule_resumed"]);
  });

  test("one that is made again under its id is told like a new one", async () => {
    for (let made = 0; made < 3; made++) {
      await omniq.schedule(add, { x: 1 }, { id: "s", every: "1h" });
      await omniq.schedules.pause("s");
      await omniq.schedules.resume("s");
      await fire(3_600_000);
      await omniq.schedules.delete("s");
    }
    const once = ["schedule_paused", "schedule_resumed", "enqueued", "schedule_fired"];
    expect(await told("s")).toEqual([...once, ...once, ...once]);
  });

  test("what stays as it is is not told", async () => {
    await omniq.schedule(add, { x: 1 }, { id: "s", every: "1h" });
    await omniq.schedule(add, { x: 2 }, { id: "s", every: "1h" });
    await omniq.schedules.resume("s");
    await omniq.schedules.pause("s");
    await omniq.schedules.pause("s");
    expect(await told("s")).toEqual(["schedule_paused"]);
  });

  test("a change that leaves no time completes it, and that is told", async () => {
    await omniq.schedule(add, { x: 1 }, { id: "limited", every: "1h" });
    await fire(3_600_000);
    await omniq.schedule(add, { x: 1 }, { id: "limited", every: "1h", maxRuns: 1 });
    expect((await told("limited")).slice(-2)).toEqual(["schedule_fired", "schedule_completed"]);
    await omniq.schedule(add, { x: 1 }, { id: "over", every: "1h", endAt: new Date(clock.now() + 7_200_000) });
    await omniq.schedules.pause("over");
    await clock.advance(9_000_000);
    expect((await omniq.schedules.resume("over")).status).toBe("completed");
    expect(await told("over")).toEqual(["schedule_paused", "schedule_resumed", "schedule_completed"]);
  });

  test("an occurrence whose unique key is held and may not be kept is skipped and not counted; the next one runs when the key is free", async () => {
    const holder = await omniq.enqueue(add, { x: 0 }, { unique: { key: "k" } });
    await omniq.schedule(add, { x: 1 }, { id: "s", every: "1h", unique: { key: "k", onConflict: "throw" } });
    await fire(3_600_000);
    expect(await omniq.schedules.get("s")).toMatchObject({ runCount: 0, lastRunAt: undefined, lastTaskId: undefined, status: "active" });
    const [event, ...more] = await omniq.events.find({ scheduleId: "s" });
    expect(more).toEqual([]);
    expect(event).toMatchObject({ eventType: "schedule_skipped", level: "warning", taskId: undefined, queueName: "default" });
    expect(event?.message).toBe(`1 occurrence was skipped: task ${holder.id} holds the unique key ["add","k"]`);
    expect(event?.data).toEqual({ skipped: 1, reason: "unique", from: new Date(clock.now()).toISOString() });
    await omniq.worker({ tasks: [add] }).drain();
    await fire(3_600_000);
    expect(await omniq.schedules.get("s")).toMatchObject({ runCount: 1, lastPhase: "ready" });
    expect(await told("s")).toEqual(["schedule_skipped", "enqueued", "schedule_fired"]);
  });

  test.each(["keep", "replace"] as const)(
    "an occurrence that meets the holder of its key (%s) is a run of that task",
    async (onConflict) => {
      const holder = await omniq.enqueue(add, { x: 0 }, { unique: { key: "k" } });
      await omniq.schedule(add, { x: 1 }, { id: "s", every: "1h", unique: { key: "k", onConflict } });
      await fire(3_600_000);
      expect(await omniq.schedules.get("s")).toMatchObject({ runCount: 1, lastTaskId: holder.id, lastPhase: "ready" });
      const story = (await holder.events()).map(({ eventType, scheduleId }) => `${eventType} ${scheduleId ?? "of none"}`);
      const again = onConflict === "replace" ? ["enqueued of none"] : [];
      expect(story.toSorted()).toEqual(["enqueued of none", ...again, "schedule_fired s"]);
      await omniq.worker({ tasks: [add] }).drain();
      expect(await holder.result()).toBe(onConflict === "replace" ? 1 : 0);
      // It stays a task of its own.
      expect(await omniq.schedules.latest("s")).toBeUndefined();
      expect((await omniq.tasks.find({ scheduleId: "s" })).items).toEqual([]);
    },
  );

  test("a run by hand that meets the holder of its key tells of that task", async () => {
    await omniq.schedule(add, { x: 1 }, { id: "s", every: "1h", unique: { key: "k", onConflict: "replace" } });
    const first = await omniq.schedules.runNow("s");
    const second = await omniq.schedules.runNow("s");
    expect([second.id, second.created]).toEqual([first.id, false]);
    expect((await first.events()).map(({ eventType }) => eventType).toSorted()).toEqual([
      "enqueued",
      "enqueued",
      "schedule_fired",
      "schedule_fired",
    ]);
  });
});
