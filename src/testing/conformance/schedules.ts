import type { FireAsk, ScheduleRow } from "../../core/schedule.ts";
import type { Chapter } from "./bench.ts";
import { codeOf, newTask } from "./bench.ts";
import type { Bench } from "./bench.ts";

function schedule(b: Bench, id: string, given: Partial<ScheduleRow> = {}): ScheduleRow {
  const { id: _id, dependsOn: _dependsOn, ...template } = newTask("-", { label: "l", tags: ["t"], timeout: 5 });
  const rule = { type: "interval", every: 1_000 } as const;
  return { id, revision: 0, rule, template, status: "active", runCount: 0, createdAt: b.now, nextRunAt: b.now + 1_000, tags: [], ...given };
}

async function put(b: Bench, id: string, given: Partial<ScheduleRow> = {}): Promise<ScheduleRow> {
  const { is, row } = await b.backend.schedules.put(schedule(b, id, given));
  b.expect(is).toBe("put");
  return row;
}

async function read(b: Bench, id: string): Promise<ScheduleRow | undefined> {
  return (await b.backend.schedules.list({ ids: [id], limit: 1 }))[0];
}

/** One occurrence of this schedule, and the next one a second later. */
function firing(row: ScheduleRow, given: Partial<FireAsk> = {}): FireAsk {
  const at = row.nextRunAt ?? 0;
  const task = newTask(`${row.id}@${at}`, { scheduleId: row.id });
  const event = { type: "schedule_fired", scheduleId: row.id } as const;
  return { id: row.id, revision: row.revision, occurrences: [at], nextAt: at + 1_000, enqueue: [task], events: [event], ...given };
}

export const schedules: Chapter = {
  title: "schedules",
  tests: {
    "a schedule reads back as it was put": async (b) => {
      const rules = [
        { type: "cron", cron: "0 3 * * *", timezone: "Europe/Berlin" },
        { type: "interval", every: 5 },
        { type: "timestamp", at: 7 },
        { type: "once" },
      ] as const;
      const times = { lastRunAt: 1, pausedAt: 2, resumedAt: 3 };
      for (const [i, rule] of rules.entries()) {
        const given = {
          rule,
          name: "n",
          description: "d",
          tags: ["a,b", "ü"],
          taskId: "x",
          maxRuns: 3,
          status: "paused",
          ...times,
        } as const;
        const row = await put(b, `s${i}`, given);
        b.expect(row).toMatchObject({ ...schedule(b, `s${i}`, given), revision: row.revision });
        b.expect(await read(b, `s${i}`)).toEqual(row);
      }
      await put(b, "bare");
      const bare = Object.keys((await read(b, "bare")) ?? {});
      b.expect(
        bare.filter((key) => ["maxRuns", "lastRunAt", "pausedAt", "resumedAt", "name", "description", "taskId"].includes(key)),
      ).toEqual([]);
    },
    "a new row does not replace one that is there": async (b) => {
      const row = await put(b, "s");
      const answer = await b.backend.schedules.put({ ...row, name: "other" });
      b.expect(answer).toEqual({ is: "stale", row });
    },
    "a row is changed only by who read it last": async (b) => {
      const first = await put(b, "s");
      const { is, row } = await b.backend.schedules.put({ ...first, status: "paused" }, first.revision);
      b.expect([is, row.status, row.revision > first.revision]).toEqual(["put", "paused", true]);
      b.expect(await b.backend.schedules.put({ ...first, name: "late" }, first.revision)).toEqual({ is: "stale", row });
      b.expect(await read(b, "s")).toEqual(row);
      const gone = await b.backend.schedules.put(schedule(b, "gone"), 1);
      b.expect([gone.is, await read(b, "gone")]).toEqual(["stale", undefined]);
    },
    "schedules are listed by the next time, then by id, those without one last": async (b) => {
      const { nextRunAt: _nextRunAt, ...never } = schedule(b, "never");
      await b.backend.schedules.put({ ...never, status: "completed" });
      for (const [id, at] of Object.entries({ c: 5, b: 9, a: 9, d: 1 }))
        await put(b, id, { nextRunAt: b.now + at, ...(id === "d" ? { status: "paused" } : {}) });
      const list = async (query: object) => (await b.backend.schedules.list({ limit: 10, ...query })).map((row) => row.id);
      b.expect(await list({})).toEqual(["d", "c", "a", "b", "never"]);
      b.expect(await list({ limit: 2 })).toEqual(["d", "c"]);
      b.expect(await list({ dueBy: b.now + 9 })).toEqual(["c", "a", "b"]);
      b.expect(await list({ dueBy: b.now + 8 })).toEqual(["c"]);
      b.expect(await list({ status: "paused" })).toEqual(["d"]);
      b.expect(await list({ ids: ["b", "nobody", "d"] })).toEqual(["d", "b"]);
    },
    "firing advances the schedule, and enqueues": async (b) => {
      const row = await put(b, "s");
      await b.clock.advance(1_000);
      b.expect(await b.backend.schedules.fire([firing(row)])).toEqual(["fired"]);
      const after = await read(b, "s");
      b.expect(after).toMatchObject({ runCount: 1, lastRunAt: b.now, nextRunAt: b.now + 1_000, status: "active" });
      b.expect((after?.revision ?? 0) > row.revision, "the revision grew").toBe(true);
      const id = `s@${b.now}`;
      b.expect(await b.get(id)).toMatchObject({ scheduleId: "s", phase: "ready", createdAt: b.now });
      b.expect((await b.events()).toSorted()).toEqual(["s schedule_fired", `${id} enqueued`]);
      b.expect((await b.backend.events.newest({ taskId: id, limit: 1 }))[0]).toMatchObject({ type: "enqueued", scheduleId: "s" });
    },
    "two that fire at once: one does": async (b) => {
      const row = await put(b, "s");
      const answers = await Promise.all([b.backend.schedules.fire([firing(row)]), b.backend.schedules.fire([firing(row)])]);
      b.expect(answers.flat().toSorted()).toEqual(["fired", "stale"]);
      b.expect(await read(b, "s")).toMatchObject({ runCount: 1 });
      b.expect((await b.events()).length).toBe(2);
    },
    "an occurrence is fired once, whatever the revision": async (b) => {
      const row = await put(b, "s");
      await b.backend.schedules.fire([firing(row)]);
      const back = await read(b, "s");
      if (back === undefined) throw new Error("Expected the schedule");
      const at = row.nextRunAt ?? 0;
      const again = firing(row, {
        revision: back.revision,
        events: [],
        enqueue: [newTask("twice", { scheduleId: "s" })],
        nextAt: at + 2_000,
      });
      b.expect(await b.backend.schedules.fire([again])).toEqual(["fired"]);
      b.expect(await read(b, "s"), "the schedule goes on").toMatchObject({ runCount: 1, nextRunAt: at + 2_000 });
      // Made again under its id, with a new occurrence beside the old one.
      await b.backend.schedules.drop(["s"]);
      const remade = await put(b, "s");
      const both = firing(remade, {
        occurrences: [at, at + 1],
        events: [],
        enqueue: [newTask("old"), newTask("new", { scheduleId: "s" })],
      });
      b.expect(await b.backend.schedules.fire([both])).toEqual(["fired"]);
      b.expect(await read(b, "s")).toMatchObject({ runCount: 1 });
      b.expect((await b.backend.desk.get(["twice", "old", "new"])).map((task) => task?.id)).toEqual([undefined, undefined, "new"]);
    },
    "what is paused, gone or changed is stale, and disturbs nobody": async (b) => {
      const paused = await put(b, "paused", { status: "paused" });
      const changed = await put(b, "changed");
      await b.backend.schedules.put({ ...changed, name: "n" }, changed.revision);
      const good = await put(b, "good");
      const asks = [firing(paused), firing(changed), firing(schedule(b, "gone")), firing(good)];
      b.expect(await b.backend.schedules.fire(asks)).toEqual(["stale", "stale", "stale", "fired"]);
      b.expect((await b.events()).length).toBe(2);
      b.expect(await b.due()).toMatchObject([{ task: { scheduleId: "good" } }]);
    },
    "the event of an occurrence names the holder that its task became": async (b) => {
      const unique = { key: "k", until: "finished", onConflict: "keep" } as const;
      await b.add(newTask("holder", { unique }));
      const row = await put(b, "s");
      const task = newTask("merged", { scheduleId: "s", unique });
      const event = { type: "schedule_fired", scheduleId: "s", taskId: "merged" } as const;
      await b.backend.schedules.fire([firing(row, { enqueue: [task], events: [event] })]);
      b.expect(await b.events()).toEqual(["holder schedule_fired"]);
      b.expect(await b.peek("merged")).toBe(undefined);
    },
    "several occurrences at once count each": async (b) => {
      const row = await put(b, "s");
      const at = row.nextRunAt ?? 0;
      const tasks = ["x", "y", "z"].map((id) => newTask(id, { scheduleId: "s" }));
      await b.backend.schedules.fire([firing(row, { occurrences: [at, at + 1, at + 2], enqueue: tasks, nextAt: at + 3 })]);
      b.expect(await read(b, "s")).toMatchObject({ runCount: 3, nextRunAt: at + 3 });
      b.expect((await b.due()).map((claim) => claim.task.id)).toEqual(["x", "y", "z"]);
    },
    "the last occurrence completes the schedule": async (b) => {
      const row = await put(b, "s", { maxRuns: 1 });
      b.expect(await b.backend.schedules.fire([firing(row, { nextAt: null })])).toEqual(["fired"]);
      const after = await read(b, "s");
      b.expect(after).toMatchObject({ status: "completed", runCount: 1 });
      b.expect(after !== undefined && "nextRunAt" in after).toBe(false);
      b.expect(await b.backend.schedules.fire([firing(after ?? row, { occurrences: [1] })])).toEqual(["stale"]);
      b.expect(await b.backend.schedules.list({ dueBy: b.now + 100_000, limit: 5 })).toEqual([]);
    },
    "a dropped schedule leaves its tasks": async (b) => {
      const row = await put(b, "s");
      await b.backend.schedules.fire([firing(row)]);
      b.expect(await b.backend.schedules.drop(["s", "nobody", "s"])).toEqual([true, false, false]);
      b.expect(await read(b, "s")).toBe(undefined);
      b.expect((await b.due()).length).toBe(1);
      await put(b, "s");
    },
    "a fire that throws has done nothing": async (b) => {
      const row = await put(b, "s");
      const before = await b.everything();
      const broken = { ...newTask("x"), ...JSON.parse('{"args":{"not":"text"}}') };
      b.expect((await codeOf(() => b.backend.schedules.fire([firing(row, { enqueue: [broken] })]))) === "no error").toBe(false);
      b.expect(await b.everything()).toEqual(before);
      b.expect(await b.backend.schedules.fire([firing(row)])).toEqual(["fired"]);
    },
  },
};
