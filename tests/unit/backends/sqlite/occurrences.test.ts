import { DEFAULT_SCHEDULE_POLICY } from "../../../../src/core/schedule.ts";
import { expect, test } from "vitest";
import type { ScheduleRow } from "../../../../src/core/schedule.ts";
import { DEFAULT_POLICY } from "../../../../src/core/task.ts";
import type { Unique } from "../../../../src/core/task.ts";
import { SQLiteBackend } from "../../../../src/sqlite.ts";

test.each([
  ["keep", "holder"],
  ["replace", "holder"],
  ["refuse", undefined],
] as const)("the row of an occurrence names the task that there is, and there is none without: %s", async (onConflict, named) => {
  const backend = new SQLiteBackend({ path: ":memory:" });
  await backend.initialize();
  const template = { ...DEFAULT_POLICY, func: "f", args: "{}", queue: "q", priority: 0, tags: [] };
  const unique: Unique = { key: "k", until: "finished", onConflict };
  await backend.work.enqueue([{ tasks: [{ ...template, id: "holder", dependsOn: [], unique }], announce: false }]);
  const rule: ScheduleRow["rule"] = { type: "once" };
  const row = {
    id: "s",
    revision: 0,
    rule,
    policy: DEFAULT_SCHEDULE_POLICY,
    template,
    status: "active",
    runCount: 0,
    createdAt: 1,
    nextRunAt: 1,
    tags: [],
  } as const;
  const { revision } = (await backend.schedules.put(row)).row;
  const enqueue = [
    { ...template, id: "x", dependsOn: [], unique },
    { ...template, id: "plain", dependsOn: [] },
  ];
  const [fired] = await backend.schedules.fire([{ id: "s", revision, occurrences: [1, 2], nextAt: null, enqueue, events: [] }]);
  expect(fired?.is).toBe("fired");
  const rows = backend.withConnectionSync((connection) => connection.prepare("SELECT task_id FROM occurrences ORDER BY at").all());
  expect(rows.map((each) => each["task_id"])).toEqual(named === undefined ? ["plain"] : [named, "plain"]);
  await backend.close();
});
