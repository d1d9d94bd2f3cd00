/** What becomes of occurrences, and what is told of schedules. */
import { DEFAULT_SCHEDULE_POLICY } from "../../core/schedule.ts";
import type { NewTask } from "../../core/task.ts";
import type { Chapter } from "./bench.ts";
import { newSchedule, newTask } from "./bench.ts";
import { fire, firing, put, read } from "./schedules.ts";

export const occurrences: Chapter = {
  title: "occurrences",
  tests: {
    "an occurrence becomes the task that its unique key has: kept or replaced, it counts as a run of that task": async (b) => {
      for (const [key, onConflict, is] of [
        ["k", "keep", "known"],
        ["r", "replace", "replaced"],
      ] as const) {
        const unique = { key, until: "finished", onConflict } as const;
        await b.add(newTask(`holder-${key}`, { unique, scheduleId: "other" }));
        const row = await put(b, key);
        const [at = 0] = [row.nextRunAt];
        const task = newTask(`asked-${key}`, { scheduleId: key, unique, args: "2" });
        const event = { type: "schedule_fired", scheduleId: key, taskId: task.id } as const;
        const [fired] = await b.backend.schedules.fire([firing(row, { enqueue: [task], events: [event] })]);
        const of = { at, asked: task.id, is, id: `holder-${key}`, ...(is === "replaced" ? { scheduleId: "other" } : {}) };
        b.expect(fired).toEqual({ is: "fired", occurrences: [of] });
        b.expect(await read(b, key)).toMatchObject({ runCount: 1, lastRunAt: b.now, lastTaskId: `holder-${key}` });
        b.expect((await b.get(`holder-${key}`)).scheduleId, "it stays the other's").toBe("other");
      }
      b.expect((await b.events()).toSorted()).toEqual(["holder-k schedule_fired", "holder-r enqueued", "holder-r schedule_fired"]);
    },
    "an occurrence that meets a holder past its TTL has a task of its own: what is counted as a run is one": async (b) => {
      const [unique, ttl] = [{ key: "k", until: "finished", onConflict: "keep" } as const, 100];
      let row = await put(b, "s");
      for (const id of ["x", "y", "z"]) {
        const [fired] = await b.backend.schedules.fire([firing(row, { enqueue: [newTask(id, { scheduleId: "s", unique, ttl })] })]);
        b.expect(fired).toMatchObject({ is: "fired", occurrences: [{ is: "added", id }] });
        await b.clock.advance(ttl);
        row = (await read(b, "s")) ?? row;
      }
      b.expect(row).toMatchObject({ runCount: 3, lastTaskId: "z" });
      b.expect([await b.phase("x"), await b.phase("y")]).toEqual(["expired", "expired"]);
    },
    "an occurrence that puts off a holder gives it its TTL anew": async (b) => {
      const unique = { key: "k", until: "finished", onConflict: "replace" } as const;
      const template = { scheduleId: "s", unique, ttl: 100 } as const;
      let row = await put(b, "s");
      for (const id of ["x", "y", "z"]) {
        await b.backend.schedules.fire([firing(row, { enqueue: [newTask(id, { ...template, due: { in: 70 } })] })]);
        b.expect(await b.get("x")).toMatchObject({ runAt: b.now + 70, expiresAt: b.now + 100 });
        await b.clock.advance(60);
        row = (await read(b, "s")) ?? row;
      }
      await b.clock.advance(10);
      b.expect(row).toMatchObject({ runCount: 3, lastTaskId: "x" });
      b.expect((await b.one()).for).toBe("run");
    },
    "an occurrence whose unique key is held is passed over where that is to be refused: told as skipped, not a run": async (b) => {
      const unique = { key: "k", until: "finished", onConflict: "refuse" } as const;
      await b.add(newTask("holder", { unique }));
      const row = await put(b, "s");
      const at = row.nextRunAt ?? 0;
      const task = newTask("x", { scheduleId: "s", unique });
      const event = { id: "e", type: "schedule_fired", scheduleId: "s", queue: "q", taskId: "x", data: '{"occurrence":1}' } as const;
      const [fired] = await b.backend.schedules.fire([firing(row, { enqueue: [task], events: [event] })]);
      b.expect(fired).toMatchObject({ is: "fired", occurrences: [{ at, asked: "x", is: "refused", why: "unique" }] });
      const after = await read(b, "s");
      b.expect(after).toMatchObject({ status: "active", runCount: 0, nextRunAt: at + 1_000 });
      b.expect(after !== undefined && ("lastRunAt" in after || "lastTaskId" in after)).toBe(false);
      b.expect(await b.peek("x")).toBe(undefined);
      const [told, ...more] = await b.backend.events.newest({ scheduleId: "s", limit: 9 });
      b.expect(more).toEqual([]);
      b.expect(told).toMatchObject({ id: "e", type: "schedule_skipped", level: "warning", queue: "q" });
      b.expect(told?.message?.includes("holder"), "it says why").toBe(true);
      b.expect(JSON.parse(told?.data ?? "")).toEqual({ skipped: 1, reason: "unique", from: new Date(at).toISOString() });
      b.expect(told !== undefined && "taskId" in told).toBe(false);
      // It has had no task: the key free, it may have one.
      await b.end(await b.one());
      if (after === undefined) throw new Error("Expected the schedule");
      b.expect(await fire(b, [firing(after, { occurrences: [at, at + 1_000], enqueue: [newTask("y"), newTask("z")] })])).toEqual(["fired"]);
      b.expect(await read(b, "s")).toMatchObject({ runCount: 2, lastTaskId: "z" });
    },
    "where none may overlap, no task of the schedule is requeued beside an open one: which one is told": async (b) => {
      await put(b, "s", { policy: { ...DEFAULT_SCHEDULE_POLICY, overlap: "skip" } });
      await put(b, "free");
      const of = (id: string, scheduleId: string): NewTask => newTask(id, { scheduleId });
      for (const [id, scheduleId] of [
        ["a", "s"],
        ["b", "s"],
        ["f", "free"],
        ["gone", "dropped"],
      ] as const) {
        await b.add(of(id, scheduleId));
        await b.cancel(id);
      }
      const conflict = (taskId: string): object => ({ is: "conflict", over: "overlap", taskId });
      await b.add(of("open", "s"), of("other", "free"), of("another", "dropped"));
      const before = await b.everything();
      b.expect(await b.backend.desk.requeue(["a"])).toEqual([conflict("open")]);
      b.expect(await b.everything()).toEqual(before);
      b.expect(await b.backend.desk.requeue(["f", "a", "gone"])).toEqual(["requeued", conflict("open"), "requeued"]);
      await b.cancel("open");
      b.expect(await b.backend.desk.requeue(["b", "a"])).toEqual(["requeued", conflict("b")]);
      b.expect(await b.backend.desk.requeue(["a"])).toEqual([conflict("b")]);
    },
    "of several occurrences those that were refused are passed over alone": async (b) => {
      const unique = { key: "k", until: "finished", onConflict: "refuse" } as const;
      const row = await put(b, "s");
      const tasks = [newTask("a", { unique }), newTask("b", { unique }), newTask("c")];
      const events = tasks.map(({ id }) => ({ type: "schedule_fired", scheduleId: "s", taskId: id }) as const);
      const [fired] = await b.backend.schedules.fire([firing(row, { occurrences: [1, 2, 3], enqueue: tasks, events })]);
      b.expect(fired?.is === "fired" && fired.occurrences.map(({ at, is }) => [at, is])).toEqual([
        [1, "added"],
        [2, "refused"],
        [3, "added"],
      ]);
      b.expect(await read(b, "s")).toMatchObject({ runCount: 2, lastTaskId: "c" });
      b.expect((await b.events()).toSorted()).toEqual([
        "a enqueued",
        "a schedule_fired",
        "c enqueued",
        "c schedule_fired",
        "s schedule_skipped",
      ]);
    },
    "a change is told with it, or neither is written": async (b) => {
      const row = await put(b, "s");
      const events = [{ id: "e", type: "schedule_paused", scheduleId: "s" } as const];
      b.expect((await b.backend.schedules.put({ ...row, status: "paused" }, row.revision + 1, events)).is).toBe("stale");
      b.expect((await b.backend.schedules.put(row, undefined, events)).is).toBe("stale");
      b.expect(await b.events()).toEqual([]);
      b.expect((await b.backend.schedules.put({ ...row, status: "paused" }, row.revision, events)).is).toBe("put");
      b.expect(
        (await b.backend.schedules.put(newSchedule("new", b.now), undefined, [{ type: "schedule_resumed", scheduleId: "new" }])).is,
      ).toBe("put");
      b.expect((await b.events()).toSorted()).toEqual(["new schedule_resumed", "s schedule_paused"]);
    },
    "who read a schedule before it was dropped and made again neither changes nor fires the new one": async (b) => {
      const old = await put(b, "s");
      const { row: changed } = await b.backend.schedules.put({ ...old, name: "n" }, old.revision);
      await b.backend.schedules.drop(["s"]);
      const made = await put(b, "s");
      const { row: again } = await b.backend.schedules.put({ ...made, name: "again" }, made.revision);
      for (const revision of [old.revision, changed.revision]) {
        b.expect((await b.backend.schedules.put({ ...old, name: "late" }, revision)).is).toBe("stale");
        b.expect(await fire(b, [firing({ ...old, revision })])).toEqual(["stale"]);
      }
      b.expect(await read(b, "s")).toEqual(again);
    },
  },
};
