import type { EventFilter, NewEvent } from "../../core/event.ts";
import type { Chapter } from "./bench.ts";
import { ids } from "./bench.ts";
import type { Bench } from "./bench.ts";

const event = (taskId: string, given: Partial<NewEvent> = {}): NewEvent => ({ type: "progress", taskId, ...given });

async function newest(b: Bench, filter: Partial<EventFilter>): Promise<readonly (string | undefined)[]> {
  return (await b.backend.events.newest({ limit: 100, ...filter })).map((row) => row.taskId);
}

/** Reads on from a cursor until nothing comes. */
async function readOn(
  b: Bench,
  after: string | undefined,
  filter: EventFilter,
): Promise<{ readonly read: readonly (string | undefined)[]; readonly cursor: string }> {
  const read: (string | undefined)[] = [];
  for (let cursor = after; ;) {
    const page = await b.backend.events.read(cursor, filter);
    read.push(...page.events.map((row) => row.taskId));
    if (page.cursor === cursor || (page.events.length === 0 && page.cursor === (await b.backend.events.tail())))
      return { read, cursor: page.cursor };
    cursor = page.cursor;
  }
}

export const events: Chapter = {
  title: "events",
  tests: {
    "an event reads back as it was written": async (b) => {
      const full: NewEvent = {
        id: "own",
        type: "failed",
        taskId: "a",
        scheduleId: "s",
        queue: "q",
        worker: "w",
        level: "error",
        message: "ü\n",
        data: '{"x":1}',
        executionMs: 1.5,
        retryCount: 2,
        error: "E: m",
        source: "by hand",
        at: b.now - 7,
      };
      await b.backend.events.append([full, event("b")]);
      const [second, first] = await b.backend.events.newest({ limit: 5 });
      b.expect(first).toEqual({ ...full, seq: first?.seq });
      b.expect(second).toEqual({ ...event("b"), id: second?.id, seq: second?.seq, at: b.now, level: "info" });
      b.expect([typeof second?.id, typeof second?.seq]).toEqual(["string", "string"]);
    },
    "an event with an id of its own is written once": async (b) => {
      await b.backend.events.append([event("a", { id: "x" }), event("b", { id: "x" }), event("c")]);
      await b.backend.events.append([event("d", { id: "x" }), event("e")]);
      b.expect(await newest(b, {})).toEqual(["e", "c", "a"]);
    },
    "events without an id are apart": async (b) => {
      await b.backend.events.append([event("a"), event("a")]);
      const rows = await b.backend.events.newest({ limit: 5 });
      b.expect(new Set(rows.map((row) => row.id)).size).toBe(2);
    },
    "newest first, equal times in the reverse order of writing": async (b) => {
      await b.backend.events.append([event("a"), event("early", { at: b.now - 1 }), event("b")]);
      await b.backend.events.append([event("c"), event("late", { at: b.now + 1 })]);
      b.expect(await newest(b, {})).toEqual(["late", "c", "b", "a", "early"]);
      b.expect(await newest(b, { limit: 2 })).toEqual(["late", "c"]);
    },
    "filters, and filters together; both times are included": async (b) => {
      await b.backend.events.append([
        event("a", { at: 1 }),
        event("b", { at: 2, type: "completed", scheduleId: "s" }),
        event("a", { at: 3, type: "completed" }),
        event("c", { at: 4, scheduleId: "s" }),
      ]);
      b.expect(await newest(b, { taskId: "a" })).toEqual(["a", "a"]);
      b.expect(await newest(b, { type: "completed" })).toEqual(["a", "b"]);
      b.expect(await newest(b, { scheduleId: "s" })).toEqual(["c", "b"]);
      b.expect(await newest(b, { from: 2, to: 3 })).toEqual(["a", "b"]);
      b.expect(await newest(b, { taskId: "a", type: "completed", from: 3, to: 3 })).toEqual(["a"]);
      b.expect(await newest(b, { taskId: "a", scheduleId: "s" })).toEqual([]);
    },
    "a log is read from a cursor on, oldest first": async (b) => {
      const start = await b.backend.events.tail();
      await b.backend.events.append(ids(5).map((id) => event(id, { at: b.now - Number(id.slice(1)) })));
      const page = await b.backend.events.read(undefined, { limit: 2 });
      b.expect(page.events.map((row) => row.taskId)).toEqual(["t0", "t1"]);
      const rest = await readOn(b, page.cursor, { limit: 2 });
      b.expect(rest.read).toEqual(["t2", "t3", "t4"]);
      b.expect((await readOn(b, start, { limit: 100 })).read).toEqual(ids(5));
      b.expect(rest.cursor).toBe(await b.backend.events.tail());
      await b.backend.events.append([event("new")]);
      b.expect((await readOn(b, rest.cursor, { limit: 100 })).read).toEqual(["new"]);
    },
    "each event's own place is a cursor": async (b) => {
      await b.backend.events.append(ids(3).map((id) => event(id)));
      const [, middle] = (await b.backend.events.read(undefined, { limit: 3 })).events;
      b.expect((await readOn(b, middle?.seq, { limit: 5 })).read).toEqual(["t2"]);
    },
    "a cursor moves past what the filter leaves out": async (b) => {
      await b.backend.events.append(ids(20).map((id, i) => event(id, { type: i === 3 ? "completed" : "progress" })));
      const { read, cursor } = await readOn(b, undefined, { limit: 5, type: "completed" });
      b.expect(read).toEqual(["t3"]);
      b.expect(cursor).toBe(await b.backend.events.tail());
    },
    "a tail wants only what comes": async (b) => {
      await b.backend.events.append([event("before")]);
      const cursor = await b.backend.events.tail();
      b.expect((await b.backend.events.read(cursor, { limit: 5 })).events).toEqual([]);
      await b.backend.events.append([event("after")]);
      b.expect((await b.backend.events.read(cursor, { limit: 5 })).events.map((row) => row.taskId)).toEqual(["after"]);
    },
    "stats count by kind": async (b) => {
      b.expect(await b.backend.events.stats(10_000)).toEqual({ total: 0, byType: {}, more: false });
      await b.backend.events.append([event("a", { at: 5 }), event("b", { at: 2, type: "completed" }), event("c", { at: 9 })]);
      b.expect(await b.backend.events.stats(10_000)).toEqual({
        total: 3,
        byType: { progress: 2, completed: 1 },
        oldest: 2,
        newest: 9,
        more: false,
      });
    },
    "stats count the newest events, and say that there are more": async (b) => {
      await b.backend.events.append([event("a", { at: 5, type: "completed" }), event("b", { at: 2 }), event("c", { at: 4 })]);
      b.expect(await b.backend.events.stats(3)).toMatchObject({ total: 3, more: false });
      b.expect(await b.backend.events.stats(2)).toEqual({ total: 2, byType: { progress: 2 }, oldest: 2, newest: 5, more: true });
    },
    "many events at once keep their order": async (b) => {
      await b.backend.events.append(ids(300).map((id) => event(id)));
      b.expect((await b.backend.events.newest({ limit: 1_000 })).map((row) => row.taskId)).toEqual(ids(300).toReversed());
    },
  },
};
