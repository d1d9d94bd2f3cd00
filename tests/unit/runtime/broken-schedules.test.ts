/** Schedules whose rows somebody changed by hand, or whose time zone this Node does not know, as a program meets them. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { defineTask, OmniQ, ScheduleBrokenError } from "../../../src/index.ts";
import type { ScheduleOptions } from "../../../src/index.ts";
import { SQLiteBackend } from "../../../src/sqlite.ts";

const tick = defineTask({ name: "tick", handler: ({ n }: { n: number }) => n });
const CODE: ScheduleOptions = { id: "bad", cron: "0 3 * * *", timezone: "Europe/Berlin", maxRuns: 9, name: "nightly" };
const ZONE = `UPDATE schedules SET rule = '{"type":"cron","cron":"0 3 * * *","timezone":"Mars/Olympus"}' WHERE id = 'bad'`;
const set = (column: string, value: string): string => `UPDATE schedules SET ${column} = ${value} WHERE id = 'bad'`;

/** What was broken, and the words that name it. */
const BREAKS: readonly (readonly [sql: string, named: string])[] = [
  [ZONE, '`timezone` to be an IANA time zone such as "Europe/Berlin", got "Mars/Olympus"'],
  [`UPDATE schedules SET rule = '{"type":"cron","cron":"x","timezone":"UTC"}' WHERE id = 'bad'`, "`cron`"],
  [set("rule", "'{'"), "`rule`"],
  [set("policy", "'{}'"), "`policy`"],
  [set("template", "'[]'"), "`template`"],
  [set("status", "'gone'"), "`status`"],
  [set("run_count", "-1"), "`runCount`"],
  [set("max_runs", "0"), "`maxRuns`"],
  [set("created_at", "9000000000000000"), "`createdAt`"],
  [set("next_run_at", "9000000000000000"), "`nextRunAt`"],
  [set("paused_at", "9000000000000000"), "`pausedAt`"],
];

let dir = "";
let omniq: OmniQ;
let byHand: DatabaseSync;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "omniq-broken-"));
  omniq = new OmniQ({ baseDir: dir, logger: { debug() {}, info() {}, warn() {}, error() {} } });
  await omniq.schedule(tick, { n: 1 }, CODE);
  await omniq.schedule(tick, { n: 2 }, { id: "good", every: "1h" });
  byHand = new DatabaseSync(join(dir, "omniq.db"));
});
afterEach(async () => {
  byHand.close();
  await omniq.close();
  rmSync(dir, { recursive: true });
});

describe.each(BREAKS)("%s", (sql, named) => {
  beforeEach(() => {
    byHand.exec(sql);
  });

  test("is listed as broken, with what is wrong, and hides no other", async () => {
    const found = await omniq.schedules.list();
    expect(found.map(({ id }) => id).toSorted()).toEqual(["bad", "good"]);
    const bad = found.find(({ id }) => id === "bad");
    expect(bad?.broken).toContain(named);
    expect(bad).toMatchObject({ name: "nightly" });
    expect(() => JSON.stringify(bad)).not.toThrow();
    expect(found.find(({ id }) => id === "good")).not.toHaveProperty("broken");
  });

  test("is named by whatever cannot be done to it", async () => {
    for (const refused of [() => omniq.schedules.get("bad"), () => omniq.schedules.preview("bad")]) {
      const error = await refused().catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(ScheduleBrokenError);
      expect(error).toMatchObject({ code: "SCHEDULE_BROKEN", message: expect.stringContaining("schedule bad to be sound") as string });
      expect(String(error)).toContain(named);
    }
  });

  test("can be paused, and what was broken stays so", async () => {
    const lies = () => byHand.prepare("SELECT rule, policy, template FROM schedules WHERE id = 'bad'").get();
    const before = lies();
    expect(await omniq.schedules.pause("bad")).toMatchObject({ id: "bad", status: "paused", nextRunAt: undefined });
    expect(lies()).toEqual(before);
    expect((await omniq.schedules.list({ status: "paused" })).map(({ id }) => id)).toEqual(["bad"]);
    expect((await omniq.events.find({ scheduleId: "bad" })).map(({ eventType }) => eventType)).toEqual(["schedule_paused"]);
  });

  test("can be deleted", async () => {
    expect(await omniq.schedules.delete("bad")).toBe(true);
    expect((await omniq.schedules.list()).map(({ id }) => id)).toEqual(["good"]);
  });

  test("is repaired by the code that made it, once", async () => {
    expect(await omniq.schedule(tick, { n: 1 }, CODE)).toMatchObject({ created: false, changed: true });
    const repaired = await omniq.schedules.get("bad");
    const made = await (await omniq.schedule(tick, { n: 1 }, { ...CODE, id: "new" })).get();
    const { id: _, createdAt: __, revision: ___, ...rest } = made?.toJSON() ?? {};
    expect(repaired?.toJSON()).toMatchObject(rest);
    expect(repaired).toMatchObject({ func: "tick", funcArgs: { n: 1 } });
    expect(repaired?.createdAt).not.toEqual(new Date(0));
    expect(await omniq.schedule(tick, { n: 1 }, CODE)).toMatchObject({ created: false, changed: false });
  });

  test("stays paused when it is repaired", async () => {
    await omniq.schedules.pause("bad");
    await omniq.schedule(tick, { n: 1 }, CODE);
    expect(await omniq.schedules.get("bad")).toMatchObject({ status: "paused", nextRunAt: undefined });
    expect(await omniq.schedules.resume("bad")).toMatchObject({ status: "active" });
  });

  test("neither fires nor keeps others from firing", async () => {
    byHand.exec("UPDATE schedules SET next_run_at = 1 WHERE next_run_at < 9000000000000000");
    await omniq.worker({ tasks: [tick] }).drain();
    expect((await omniq.tasks.find()).items.map(({ scheduleId }) => scheduleId)).toEqual(["good"]);
  });

  test("is left out of a component's ready schedules, and named when it is asked for", async () => {
    byHand.exec("UPDATE schedules SET next_run_at = 1 WHERE next_run_at < 9000000000000000");
    const backend = new SQLiteBackend({ baseDir: dir });
    await backend.initialize();
    const queue = backend.taskQueue();
    expect((await queue.getReadySchedules()).map(({ id }) => id)).toEqual(["good"]);
    await expect(queue.getSchedule("bad")).rejects.toMatchObject({ code: "SCHEDULE_BROKEN" });
    await backend.close();
  });
});

test("a broken one cannot be resumed or edited, and runs by hand only where its task can be read", async () => {
  await omniq.schedules.pause("bad");
  byHand.exec(ZONE);
  await expect(omniq.schedules.resume("bad")).rejects.toMatchObject({ code: "SCHEDULE_BROKEN" });
  expect((await omniq.schedules.list()).find(({ id }) => id === "bad")).toMatchObject({ timezone: "Mars/Olympus", status: "paused" });
  expect(await (await omniq.schedules.runNow("bad")).get()).toMatchObject({ func: "tick", scheduleId: "bad" });
  const backend = new SQLiteBackend({ baseDir: dir });
  await backend.initialize();
  const queue = backend.taskQueue();
  byHand.exec("UPDATE schedules SET rule = '{\"type\":\"once\"}' WHERE id = 'bad'");
  const schedule = await queue.getSchedule("bad");
  byHand.exec(set("template", "'{}'"));
  await expect(omniq.schedules.runNow("bad")).rejects.toMatchObject({ code: "SCHEDULE_BROKEN" });
  if (schedule === undefined) throw new TypeError("it is there");
  await expect(queue.updateSchedule(schedule)).rejects.toMatchObject({ code: "SCHEDULE_BROKEN" });
  await backend.close();
});

test("an active one without a next time goes on when its code is run again", async () => {
  byHand.exec(set("next_run_at", "NULL"));
  expect(await omniq.schedule(tick, { n: 1 }, CODE)).toMatchObject({ changed: true });
  expect((await omniq.schedules.get("bad"))?.nextRunAt).toBeInstanceOf(Date);
});

test("a schedule of a task that is gone is as its code says, whatever the code said before", async () => {
  await omniq.enqueue(tick, { n: 5 }, { id: "model", priority: 1, label: "kept", timeout: "1m" });
  const first = { id: "copy", every: "1h", priority: 7, queueName: "low", description: "d", label: "l", unique: { key: "k" } } as const;
  await omniq.scheduleTask("model", first);
  await omniq.scheduleTask("model", { id: "fresh", every: "1h" });
  await omniq.tasks.delete("model");
  expect(await omniq.scheduleTask("model", first)).toMatchObject({ changed: false });
  expect(await omniq.scheduleTask("model", { id: "copy", every: "1h" })).toMatchObject({ changed: true });
  const told = async (id: string) => {
    const [task] = [await (await omniq.schedules.runNow(id)).get()];
    const { priority, queueName, description, name, timeout, funcArgs } = task ?? {};
    return { priority, queueName, description, name, timeout, funcArgs };
  };
  expect(await told("copy")).toEqual({
    priority: 1,
    queueName: "default",
    description: undefined,
    name: "kept",
    timeout: 60_000,
    funcArgs: { n: 5 },
  });
  const template = (id: string): unknown =>
    JSON.parse(String(byHand.prepare("SELECT template FROM schedules WHERE id = ?").get(id)?.["template"]));
  expect(template("copy")).toEqual(template("fresh"));
  expect(await omniq.scheduleTask("model", { id: "copy", every: "1h" })).toMatchObject({ changed: false });
  byHand.exec("UPDATE schedules SET template = '{' WHERE id = 'copy'");
  await expect(omniq.scheduleTask("model", { id: "copy", every: "1h" })).rejects.toMatchObject({ code: "TASK_NOT_FOUND" });
});
