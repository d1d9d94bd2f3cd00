import { beforeEach, describe, expect, test } from "vitest";
import { EventStorage } from "../../../src/components/event-storage.ts";
import { toNewEvent } from "../../../src/models/convert.ts";
import { EventType } from "../../../src/models/event.ts";
import { TestClock } from "../../../src/testing/clock.ts";
import { ModelBackend } from "../../../src/testing/model.ts";
import { createEvent, createEventSequence } from "../../fixtures/factories.ts";
import { FORMS, withCode } from "../../fixtures/helpers.ts";

describe.each(FORMS)("an event storage, $form", ({ as }) => {
  let clock: TestClock;
  let backend: ModelBackend;
  let events: EventStorage;
  const make = (given: Parameters<typeof createEvent>[0] = {}) => createEvent(given, { clock });

  beforeEach(async () => {
    clock = new TestClock();
    backend = new ModelBackend({ clock, projectName: "test_project" });
    await backend.open();
    events = as(new EventStorage({ backend, clock }));
  });

  test("says what it is of", () => {
    expect(events.projectName).toBe("test_project");
    expect(events.backend).toBe(backend);
  });

  test("log and read: as it was, of a task that is not in this database", async () => {
    const event = make({
      data: { at: new Date(1), n: 1n },
      workerId: "w",
      executionTime: 1.5,
      retryCount: 2,
      error: "E: x",
      level: "error",
    });
    await events.log(event);
    expect(await events.getEvents({ taskId: event.taskId })).toEqual([event]);
  });

  test.each(["taskId", "scheduleId", "queueName", "workerId", "message", "source"] as const)(
    "a %s that would come back as another one is refused, and nothing is written",
    async (field) => {
      for (const text of ["a\0b", "\uD800", "x\uDFFF"])
        await expect(events.log(make({ [field]: text }))).rejects.toThrow(
          expect.objectContaining({ code: "INVALID_OPTION", message: expect.stringContaining(`\`${field}\``) as unknown }),
        );
      expect((await events.stats()).total).toBe(0);
      await events.log(make({ [field]: "pair 😀" }));
      expect((await events.getEvents({}))[0]?.[field]).toBe("pair 😀");
    },
  );

  test("of an error, which nobody chose, is kept what can be stored", async () => {
    await events.log(make({ error: "E: a\0b\uD800" }));
    expect((await events.getEvents({}))[0]?.error).toBe("E: a\uFFFDb\uFFFD");
  });

  test("the same event again is logged once", async () => {
    const event = make();
    await events.log(event);
    await events.log(event);
    expect((await events.stats()).total).toBe(1);
  });

  test("the seed's queries: by task, by type, the latest", async () => {
    const taskId = "test-task-123";
    const types = [EventType.Enqueued, EventType.Executing, EventType.Completed];
    for (const event of createEventSequence(taskId, types, { clock })) await events.log(event);
    await events.log(make({ taskId: "other-task" }));
    // Equal times: in reverse order of logging.
    expect((await events.getEvents({ taskId })).map((event) => event.eventType)).toEqual(types.toReversed());
    const enqueued = await events.getEvents({ taskId, eventType: EventType.Enqueued });
    expect(enqueued.map(({ eventType, taskId: of }) => [eventType, of])).toEqual([["enqueued", taskId]]);
    const latest = await events.getLatestEvents({ taskId, limit: 2 });
    expect(latest.map((event) => event.eventType)).toEqual([EventType.Completed, EventType.Executing]);
    expect(await events.getEvents()).toHaveLength(4);
    expect((await events.getLatestEvents({ eventType: "enqueued" })).map((event) => event.taskId)).toEqual(["other-task", taskId]);
  });

  test("by schedule and by time, both ends included, newest first", async () => {
    for (const i of [1, 3, 2]) await events.log(make({ timestamp: new Date(i), scheduleId: i === 3 ? "other" : "s" }));
    const times = async (query: object) => (await events.getEvents(query)).map(({ timestamp }) => timestamp.getTime());
    expect(await times({})).toEqual([3, 2, 1]);
    expect(await times({ scheduleId: "s" })).toEqual([2, 1]);
    expect(await times({ from: new Date(2) })).toEqual([3, 2]);
    expect(await times({ to: new Date(2) })).toEqual([2, 1]);
    expect(await times({ from: new Date(2), to: new Date(2), limit: 5 })).toEqual([2]);
    expect(await times({ limit: 1 })).toEqual([3]);
    expect(await times({ limit: 0 })).toEqual([]);
  });

  test("the latest are ten, events a thousand, unless asked otherwise", async () => {
    await backend.events.append(Array.from({ length: 1_001 }, () => toNewEvent(make())));
    expect(await events.getLatestEvents()).toHaveLength(10);
    expect(await events.getEvents()).toHaveLength(1_000);
    expect(await events.getEvents({ limit: 2_000 })).toHaveLength(1_001);
  });

  test("cleanup: what is older than a duration or a time, in more than one batch", async () => {
    await backend.events.append(Array.from({ length: 600 }, () => toNewEvent(make())));
    await clock.advance(60_000);
    await events.log(make());
    await clock.advance(1_000);
    await events.log(make());
    expect(await events.cleanup({ olderThan: "30s" })).toBe(600);
    expect(await events.cleanup({ olderThan: new Date(clock.now() - 500) })).toBe(1);
    expect(await events.cleanup({ olderThan: "30s" })).toBe(0);
    expect((await events.stats()).total).toBe(1);
  });

  test("stats: by type, oldest and newest", async () => {
    expect(await events.stats()).toMatchObject({ total: 0 });
    await events.log(make({ timestamp: new Date(5) }));
    await events.log(make({ timestamp: new Date(9), eventType: "completed" }));
    expect(await events.stats()).toEqual({ total: 2, byType: { enqueued: 1, completed: 1 }, oldest: 5, newest: 9, more: false });
  });

  test.each([{ limit: -1 }, { limit: 1.5 }, { from: 5 }, { to: "now" }, { task: "t" }])("refuses the query %o", async (query) => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what a caller in plain JavaScript may pass
    await expect(events.getEvents(query as object)).rejects.toThrow(/Expected `(limit|from|to)`|got `task`/);
  });

  test.each([{ olderThan: -1 }, { olderThan: "soon" }, { older: 1, olderThan: 1 }])("refuses to clean up %o", async (options) => {
    await expect(events.cleanup(options)).rejects.toThrow(/`olderThan`|got `older`/);
  });

  test("refuses what cannot be stored, or is wrong, and writes nothing", async () => {
    await expect(events.log(make({ data: { f: () => 1 } }))).rejects.toThrow(withCode("PAYLOAD_REFUSED"));
    const wrong = make();
    Object.assign(wrong, { level: "loud" });
    await expect(events.log(wrong)).rejects.toThrow(/Expected `level`/);
    expect((await events.stats()).total).toBe(0);
  });
});
