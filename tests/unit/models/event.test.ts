import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { SCHEDULE_EVENTS, TASK_EVENTS } from "../../../src/core/event.ts";
import { EventType, TaskEvent } from "../../../src/models/event.ts";
import { TestClock } from "../../../src/testing/clock.ts";
import { createEvent } from "../../fixtures/factories.ts";

describe("a new event", () => {
  test("has the seed's defaults", () => {
    const clock = new TestClock();
    expect(createEvent({ taskId: "t" }, { clock })).toMatchObject({
      taskId: "t",
      eventType: EventType.Enqueued,
      timestamp: new Date(clock.now()),
      queueName: "test",
      workerId: undefined,
      scheduleId: undefined,
      message: "Test event",
      data: {},
      executionTime: undefined,
      retryCount: undefined,
      error: undefined,
      source: "test",
      level: "info",
    });
    expect(createEvent().id).not.toBe(createEvent().id);
  });

  test("needs a type only", () => {
    const event = new TaskEvent({ eventType: "schedule_fired" }, { clock: new TestClock(), newId: () => "e" });
    expect(event.toJSON()).toEqual({
      id: "e",
      eventType: "schedule_fired",
      timestamp: "2026-01-01T00:00:00.000Z",
      data: {},
      level: "info",
    });
  });

  test.each<[string, unknown, RegExp]>([
    ["eventType", "started", /Expected `eventType` to be one of "enqueued"/],
    ["eventType", undefined, /Expected `eventType`/],
    ["level", "fatal", /Expected `level` to be one of "debug", "info", "warning", "error"/],
    ["data", [], /Expected `data` to be a plain object/],
    ["timestamp", 1, /Expected `timestamp` to be a valid Date/],
    ["retryCount", 0.5, /Expected `retryCount`/],
    ["executionTime", Number.NaN, /Expected `executionTime`/],
    ["queue", "q", /got `queue`/],
    ["mesage", "m", /Did you mean `message`/],
  ])("refuses %s: %o", (field, value, message) => {
    expect(() => TaskEvent.fromJSON({ eventType: "enqueued", [field]: value })).toThrow(message);
  });
});

describe("JSON", () => {
  test("comes back as it was, also data that JSON cannot keep", () => {
    const event = createEvent({ data: { at: new Date(3), n: 1n, none: undefined }, executionTime: 1.5, level: "warning" });
    expect(event.toJSON()["data"]).toMatchObject({ at: { $omniq: "date" } });
    expect(TaskEvent.fromJSON(JSON.parse(JSON.stringify(event)))).toStrictEqual(event);
    expect(TaskEvent.deserialize(event.serialize())).toStrictEqual(event);
  });

  test("reads the seed's keys, with null for absent", () => {
    const event = TaskEvent.fromJSON({
      id: "test-event-123",
      task_id: "test-task-123",
      event_type: "enqueued",
      timestamp: "2026-01-01T00:00:00",
      queue_name: "test",
      worker_id: null,
      data: { func_name: "simple_task" },
      execution_time: null,
      retry_count: null,
      level: "info",
    });
    expect(event).toMatchObject({ taskId: "test-task-123", queueName: "test", workerId: undefined, data: { func_name: "simple_task" } });
    expect(event.timestamp.toISOString()).toBe("2026-01-01T00:00:00.000Z");
  });
});

describe("identity", () => {
  test("equals: the id alone", () => {
    const event = createEvent({ id: "same" });
    expect(event.equals(createEvent({ id: "same", message: "" }))).toBe(true);
    expect(event.equals(createEvent({ id: "other" }))).toBe(false);
    expect(event.equals({})).toBe(false);
  });

  test("as text and in the console: TaskEvent, the id, the type and what it is of", () => {
    const event = createEvent({ id: "e-1", taskId: "t-1" });
    for (const shown of [String(event), inspect(event)]) expect(shown).toBe("TaskEvent(e-1 enqueued of t-1)");
    expect(String(createEvent({ id: "e", taskId: undefined, scheduleId: "s" }))).toContain("of s");
    expect(String(createEvent({ id: "e", taskId: undefined }))).toBe("TaskEvent(e enqueued)");
  });

  test("there is a word for every kind of event", () => {
    expect(Object.values(EventType)).toEqual([...TASK_EVENTS, ...SCHEDULE_EVENTS]);
  });
});
