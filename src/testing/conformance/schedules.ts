import type { FireAsk, ScheduleRow } from "../../core/schedule.ts";
import type { Chapter } from "./bench.ts";
import { codeOf, newSchedule, newTask } from "./bench.ts";
import type { Bench } from "./bench.ts";

export async function put(b: Bench, id: string, given: Partial<ScheduleRow> = {}): Promise<ScheduleRow> {
  const { is, row } = await b.backend.schedules.put(newSchedule(id, b.now, given));
  b.expect(is).toBe("put");
  return row;
}

export async function read(b: Bench, id: string): Promise<ScheduleRow | undefined> {
  return (await b.backend.schedules.list({ ids: [id], limit: 1 }))[0];
}

/** One occurrence of this schedule, and the next one a second later. */
export function firing(row: ScheduleRow, given: Partial<FireAsk> = {}): FireAsk {
  const at = row.nextRunAt ?? 0;
  const task = newTask(`${row.id}@${at}`, { scheduleId: row.id });
  const event = { type: "schedule_fired", scheduleId: row.id } as const;
  return { id: row.id, revision: row.revision, occurrences: [at], nextAt: at + 1_000, enqueue: [task], events: [event], ...given };
}

export async function fire(b: Bench, set: readonly FireAsk[]): Promise<readonly string[]> {
  return (await b.backend.schedules.fire(set)).map(({ is }) => is);
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
      const times = { lastRunAt: 1, pausedAt: 2, resumedAt: 3, lastTaskId: "t" };
      const template = { ...newSchedule("-", b.now).template, label: "l", tags: ["t"], timeout: 5 };
      const policy = { catchUp: { all: 7 }, overlap: "skip", startAt: 4, endAt: 5, jitter: 6 } as const;
      for (const [i, rule] of rules.entries()) {
        const given = {
          rule,
          policy,
          template,
          name: "n",
          description: "d",
          tags: ["a,b", "ü"],
          taskId: "x",
          maxRuns: 3,
          status: "paused",
          ...times,
        } as const;
        const row = await put(b, `s${i}`, given);
        b.expect(row).toMatchObject({ ...newSchedule(`s${i}`, b.now, given), revision: row.revision });
        b.expect(await read(b, `s${i}`)).toEqual(row);
      }
      await put(b, "bare");
      const bare = Object.keys((await read(b, "bare")) ?? {});
      b.expect(
        bare.filter((key) =>
          ["maxRuns", "lastRunAt", "lastTaskId", "pausedAt", "resumedAt", "name", "description", "taskId"].includes(key),
        ),
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
      const gone = await b.backend.schedules.put(newSchedule("gone", b.now), 1);
      b.expect([gone.is, await read(b, "gone")]).toEqual(["stale", undefined]);
    },
    "of a row that could not be read only its standing is written, so that stand-ins replace nothing": async (b) => {
      const first = await put(b, "s", { name: "n", pausedAt: 1 });
      const { nextRunAt: _, pausedAt: __, ...rest } = first;
      const standIns = { rule: { type: "once" }, name: "stand-in", runCount: 9, unreadable: ["rule", "runCount"] } as const;
      const standing = { status: "paused", resumedAt: 7 } as const;
      const { is, row } = await b.backend.schedules.put({ ...rest, ...standIns, ...standing }, first.revision);
      b.expect([is, row]).toEqual(["put", { ...rest, ...standing, revision: row.revision }]);
      b.expect(row.revision > first.revision).toBe(true);
      b.expect(await b.backend.schedules.put({ ...first, unreadable: ["rule"] }, first.revision)).toEqual({ is: "stale", row });
    },
    "schedules are listed by the next time, then by id, those without one last": async (b) => {
      const { nextRunAt: _nextRunAt, ...never } = newSchedule("never", b.now);
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
      b.expect(await fire(b, [firing(row)])).toEqual(["fired"]);
      const after = await read(b, "s");
      b.expect(after).toMatchObject({
        runCount: 1,
        lastRunAt: b.now,
        lastTaskId: `s@${b.now}`,
        nextRunAt: b.now + 1_000,
        status: "active",
      });
      b.expect((after?.revision ?? 0) > row.revision, "the revision grew").toBe(true);
      const id = `s@${b.now}`;
      b.expect(await b.get(id)).toMatchObject({ scheduleId: "s", phase: "ready", createdAt: b.now });
      b.expect((await b.events()).toSorted()).toEqual(["s schedule_fired", `${id} enqueued`]);
      b.expect((await b.backend.events.newest({ taskId: id, limit: 1 }))[0]).toMatchObject({ type: "enqueued", scheduleId: "s" });
    },
    "two that fire at once: one does": async (b) => {
      const row = await put(b, "s");
      const answers = await Promise.all([fire(b, [firing(row)]), fire(b, [firing(row)])]);
      b.expect(answers.flat().toSorted()).toEqual(["fired", "stale"]);
      b.expect(await read(b, "s")).toMatchObject({ runCount: 1 });
      b.expect((await b.events()).length).toBe(2);
    },
    "an occurrence is fired once, whatever the revision": async (b) => {
      const row = await put(b, "s");
      await fire(b, [firing(row)]);
      const back = await read(b, "s");
      if (back === undefined) throw new Error("Expected the schedule");
      const at = row.nextRunAt ?? 0;
      const again = firing(row, {
        revision: back.revision,
        events: [],
        enqueue: [newTask("twice", { scheduleId: "s" })],
        nextAt: at + 2_000,
      });
      b.expect(await fire(b, [again])).toEqual(["fired"]);
      b.expect(await read(b, "s"), "the schedule goes on").toMatchObject({ runCount: 1, nextRunAt: at + 2_000 });
      // Made again under its id, with a new occurrence beside the old one.
      await b.backend.schedules.drop(["s"]);
      const remade = await put(b, "s");
      const both = firing(remade, {
        occurrences: [at, at + 1],
        events: [],
        enqueue: [newTask("old"), newTask("new", { scheduleId: "s" })],
      });
      b.expect(await fire(b, [both])).toEqual(["fired"]);
      b.expect(await read(b, "s")).toMatchObject({ runCount: 1, lastTaskId: "new" });
      b.expect((await b.backend.desk.get(["twice", "old", "new"])).map((task) => task?.id)).toEqual([undefined, undefined, "new"]);
    },
    "what is paused, gone or changed is stale, and disturbs nobody": async (b) => {
      const paused = await put(b, "paused", { status: "paused" });
      const changed = await put(b, "changed");
      await b.backend.schedules.put({ ...changed, name: "n" }, changed.revision);
      const good = await put(b, "good");
      const asks = [firing(paused), firing(changed), firing(newSchedule("gone", b.now)), firing(good)];
      b.expect(await fire(b, asks)).toEqual(["stale", "stale", "stale", "fired"]);
      b.expect((await b.events()).length).toBe(2);
      b.expect(await b.due()).toMatchObject([{ task: { scheduleId: "good" } }]);
    },
    "the event of an occurrence names the holder that its task became": async (b) => {
      const unique = { key: "k", until: "finished", onConflict: "keep" } as const;
      await b.add(newTask("holder", { unique }));
      const row = await put(b, "s");
      const task = newTask("merged", { scheduleId: "s", unique });
      const event = { type: "schedule_fired", scheduleId: "s", taskId: "merged" } as const;
      await fire(b, [firing(row, { enqueue: [task], events: [event] })]);
      b.expect(await b.events()).toEqual(["holder schedule_fired"]);
      b.expect(await b.peek("merged")).toBe(undefined);
    },
    "several occurrences at once count each": async (b) => {
      const row = await put(b, "s");
      const at = row.nextRunAt ?? 0;
      const tasks = ["x", "y", "z"].map((id) => newTask(id, { scheduleId: "s" }));
      await fire(b, [firing(row, { occurrences: [at, at + 1, at + 2], enqueue: tasks, nextAt: at + 3 })]);
      b.expect(await read(b, "s")).toMatchObject({ runCount: 3, nextRunAt: at + 3 });
      b.expect((await b.due()).map((claim) => claim.task.id)).toEqual(["x", "y", "z"]);
    },
    "events of an occurrence that was passed over are left out, the others are written": async (b) => {
      const row = await put(b, "s");
      await fire(b, [firing(row)]);
      await b.backend.schedules.drop(["s"]);
      const again = await put(b, "s");
      const at = row.nextRunAt ?? 0;
      const event = (type: "schedule_fired" | "schedule_skipped", taskId?: string) =>
        ({ type, scheduleId: "s", ...(taskId === undefined ? {} : { taskId }) }) as const;
      const ask = firing(again, {
        occurrences: [at, at + 1],
        enqueue: [newTask("old"), newTask("new")],
        events: [event("schedule_skipped"), event("schedule_fired", "old"), event("schedule_fired", "new")],
      });
      const before = await b.events();
      b.expect(await fire(b, [ask])).toEqual(["fired"]);
      b.expect((await b.events()).slice(before.length).toSorted()).toEqual(["new enqueued", "new schedule_fired", "s schedule_skipped"]);
    },
    "where fewer runs were made than asked for, the schedule goes on as the ask says of that": async (b) => {
      const row = await put(b, "s");
      const at = row.nextRunAt ?? 0;
      await fire(b, [firing(row)]);
      await b.backend.schedules.drop(["s"]);
      const fired = (taskId: string) => ({ type: "schedule_fired", scheduleId: "s", taskId }) as const;
      const completed = { type: "schedule_completed", scheduleId: "s" } as const;
      const lastOf = (from: ScheduleRow, occurrences: readonly number[], tasks: readonly string[]) =>
        firing(from, {
          occurrences,
          enqueue: tasks.map((id) => newTask(id, { scheduleId: "s" })),
          nextAt: null,
          events: [...tasks.map((id) => fired(id)), completed],
          ifFewer: { nextAt: at + 2_000, events: tasks.map((id) => fired(id)) },
        });
      const before = await b.events();
      const again = await put(b, "s", { maxRuns: 2 });
      b.expect(await fire(b, [lastOf(again, [at], ["none"])]), "none was made").toEqual(["fewer"]);
      const untouched = await read(b, "s");
      b.expect(untouched).toMatchObject({ status: "active", runCount: 0, nextRunAt: at + 2_000 });
      b.expect(untouched !== undefined && ("lastTaskId" in untouched || "lastRunAt" in untouched)).toBe(false);
      const some = lastOf(untouched ?? again, [at, at + 1], ["old", "new"]);
      b.expect(await fire(b, [some]), "one was made").toEqual(["fewer"]);
      const half = await read(b, "s");
      b.expect(half).toMatchObject({ status: "active", runCount: 1, nextRunAt: at + 2_000, lastTaskId: "new" });
      b.expect(await fire(b, [lastOf(half ?? again, [at + 2_000], ["last"])]), "all were made").toEqual(["fired"]);
      b.expect(await read(b, "s")).toMatchObject({ status: "completed", runCount: 2, lastTaskId: "last" });
      b.expect((await b.events()).slice(before.length).toSorted()).toEqual(
        ["new enqueued", "new schedule_fired", "last enqueued", "last schedule_fired", "s schedule_completed"].toSorted(),
      );
    },
    "where none may overlap, an open task keeps the next one away: the schedule advances, nothing is enqueued or counted": async (b) => {
      const row = await put(b, "s");
      const told = (type: "schedule_fired" | "schedule_skipped") => [{ type, scheduleId: "s" }] as const;
      const ifOpen = (nextAt: number) => ({ nextAt, events: told("schedule_skipped") });
      const at = row.nextRunAt ?? 0;
      b.expect(await fire(b, [firing(row, { ifOpen: ifOpen(at + 5) })]), "nothing is open yet").toEqual(["fired"]);
      const first = await read(b, "s");
      if (first === undefined) throw new Error("Expected the schedule");
      const asks = [firing(first, { nextAt: null, ifOpen: ifOpen(at + 2_000) })];
      b.expect(await fire(b, asks)).toEqual(["open"]);
      b.expect(await fire(b, asks)).toEqual(["stale"]);
      const second = await read(b, "s");
      b.expect(second).toMatchObject({
        status: "active",
        runCount: 1,
        nextRunAt: at + 2_000,
        lastTaskId: `s@${at}`,
        lastRunAt: first.lastRunAt,
      });
      b.expect((await b.events()).filter((each) => each.startsWith("s ")).toSorted()).toEqual(["s schedule_fired", "s schedule_skipped"]);
      // The task of another schedule does not count, an ended one neither.
      await b.add(newTask("other", { scheduleId: "t" }));
      const [claim] = await b.due();
      if (claim === undefined || second === undefined) throw new Error("Expected its task");
      b.expect(claim.task.id).toBe(`s@${at}`);
      await b.end(claim);
      b.expect(await fire(b, [firing(second, { ifOpen: ifOpen(at + 9) })])).toEqual(["fired"]);
    },
    "an open task keeps nobody away who does not mind": async (b) => {
      const row = await put(b, "s");
      await fire(b, [firing(row)]);
      const first = await read(b, "s");
      if (first === undefined) throw new Error("Expected the schedule");
      b.expect(await fire(b, [firing(first)])).toEqual(["fired"]);
    },
    "a run by hand enqueues beside the times: neither the next one nor the count changes": async (b) => {
      const { nextRunAt } = await put(b, "s", { maxRuns: 1 });
      const paused = await put(b, "paused", { status: "paused" });
      const ask = (id: string, task: string, unlessOpen = false) => ({
        id,
        task: newTask(task, { scheduleId: id }),
        events: [{ type: "schedule_fired", scheduleId: id, taskId: task }] as const,
        unlessOpen,
      });
      b.expect(await b.backend.schedules.run(ask("s", "a"))).toEqual({ is: "fired", task: { is: "added", id: "a" } });
      b.expect(await read(b, "s")).toMatchObject({ runCount: 0, nextRunAt, status: "active", lastTaskId: "a", lastRunAt: b.now });
      b.expect(await b.backend.schedules.run(ask("s", "b"))).toEqual({ is: "fired", task: { is: "added", id: "b" } });
      b.expect(await b.backend.schedules.run(ask("s", "c", true))).toEqual({ is: "open", taskId: "a" });
      b.expect(await b.backend.schedules.run(ask("gone", "d"))).toEqual({ is: "missing" });
      b.expect((await b.backend.schedules.run(ask("paused", "e", true))).is).toBe("fired");
      b.expect((await read(b, "paused"))?.status).toBe("paused");
      b.expect(await b.backend.schedules.put({ ...paused, name: "n" }, paused.revision), "it changed the row").toMatchObject({
        is: "stale",
      });
      b.expect((await b.backend.desk.get(["a", "b", "c", "d", "e"])).map((task) => task?.id)).toEqual([
        "a",
        "b",
        undefined,
        undefined,
        "e",
      ]);
      b.expect((await b.events()).toSorted()).toEqual(
        ["a enqueued", "a schedule_fired", "b enqueued", "b schedule_fired", "e enqueued", "e schedule_fired"].toSorted(),
      );
    },
    "a run by hand names the holder of its unique key": async (b) => {
      const unique = { key: "k", until: "finished", onConflict: "keep" } as const;
      await b.add(newTask("holder", { unique }));
      await put(b, "s");
      const events = [{ type: "schedule_fired", scheduleId: "s", taskId: "x" } as const];
      const ran = await b.backend.schedules.run({ id: "s", task: newTask("x", { scheduleId: "s", unique }), events, unlessOpen: false });
      b.expect(ran).toEqual({ is: "fired", task: { is: "known", id: "holder" } });
      b.expect(await read(b, "s")).toMatchObject({ lastTaskId: "holder" });
      b.expect(await b.events()).toEqual(["holder schedule_fired"]);
    },
    "a run by hand whose unique key is held is refused where that is asked for, and changes nothing": async (b) => {
      const unique = { key: "k", until: "finished", onConflict: "refuse" } as const;
      await b.add(newTask("holder", { unique }));
      const row = await put(b, "s");
      const events = [{ type: "schedule_fired", scheduleId: "s", taskId: "x" } as const];
      const before = await b.events();
      const ran = await b.backend.schedules.run({ id: "s", task: newTask("x", { scheduleId: "s", unique }), events, unlessOpen: false });
      b.expect(ran).toMatchObject({ is: "refused", why: "unique" });
      b.expect(await read(b, "s")).toEqual(row);
      b.expect(await b.events()).toEqual(before);
    },
    "the last occurrence completes the schedule": async (b) => {
      const row = await put(b, "s", { maxRuns: 1 });
      b.expect(await fire(b, [firing(row, { nextAt: null })])).toEqual(["fired"]);
      const after = await read(b, "s");
      b.expect(after).toMatchObject({ status: "completed", runCount: 1 });
      b.expect(after !== undefined && "nextRunAt" in after).toBe(false);
      b.expect(await fire(b, [firing(after ?? row, { occurrences: [1] })])).toEqual(["stale"]);
      b.expect(await b.backend.schedules.list({ dueBy: b.now + 100_000, limit: 5 })).toEqual([]);
    },
    "a dropped schedule leaves its tasks": async (b) => {
      const row = await put(b, "s");
      await fire(b, [firing(row)]);
      b.expect(await b.backend.schedules.drop(["s", "nobody", "s"])).toEqual([true, false, false]);
      b.expect(await read(b, "s")).toBe(undefined);
      b.expect((await b.due()).length).toBe(1);
      await put(b, "s");
    },
    "a fire that throws has done nothing": async (b) => {
      const row = await put(b, "s");
      const before = await b.everything();
      const broken = { ...newTask("x"), ...JSON.parse('{"args":{"not":"text"}}') };
      b.expect((await codeOf(() => fire(b, [firing(row, { enqueue: [broken] })]))) === "no error").toBe(false);
      b.expect(await b.everything()).toEqual(before);
      b.expect(await fire(b, [firing(row)])).toEqual(["fired"]);
    },
  },
};
