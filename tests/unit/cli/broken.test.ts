/** Rows that somebody changed by hand, and a lock that somebody holds, as the command line shows them. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { stripVTControlCharacters } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { lockFinding } from "../../../src/cli/doctor/database.ts";
import { execute } from "../../../src/cli/main.ts";
import { isLocked } from "../../../src/backends/sqlite/examine.ts";
import { defineTask, OmniQ } from "../../../src/index.ts";
import { fakeTerminal } from "./fake-terminal.ts";

const tick = defineTask({ name: "tick", handler: ({ n }: { n: number }) => n });
const WHY = 'Expected `timezone` to be an IANA time zone such as "Europe/Berlin", got "Mars/Olympus"';

let dir = "";
let omniq: OmniQ;
let byHand: DatabaseSync;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "omniq-broken-cli-"));
  omniq = new OmniQ({ baseDir: dir });
  await omniq.schedule(tick, { n: 1 }, { id: "zone", cron: "0 3 * * *", timezone: "Europe/Berlin" });
  await omniq.schedule(tick, { n: 2 }, { id: "rule", every: "1h" });
  await omniq.schedule(tick, { n: 3 }, { id: "good", every: "2h" });
  await omniq.enqueue(tick, { n: 4 }, { id: "bad-task" });
  await omniq.enqueue(tick, { n: 5 }, { id: "good-task" });
  byHand = new DatabaseSync(join(dir, "omniq.db"));
  byHand.exec("UPDATE schedules SET rule = replace(rule, 'Europe/Berlin', 'Mars/Olympus') WHERE id = 'zone'");
  byHand.exec("UPDATE schedules SET rule = '{' WHERE id = 'rule'; UPDATE tasks SET func = '' WHERE id = 'bad-task'");
});
afterEach(async () => {
  byHand.close();
  await omniq.close();
  rmSync(dir, { recursive: true });
});

async function said(...argv: readonly string[]): Promise<{ readonly code: number; readonly lines: readonly string[] }> {
  const fake = fakeTerminal();
  const code = await execute([...argv, "--base-dir", dir], fake.terminal);
  return { code, lines: fake.lines().map((line) => stripVTControlCharacters(line)) };
}
async function json(...argv: readonly string[]): Promise<readonly Record<string, unknown>[]> {
  const { lines } = await said(...argv, "--json");
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe("broken schedules", () => {
  test("are listed among the others, each with what is wrong", async () => {
    const { code, lines } = await said("schedules", "list");
    expect(code).toBe(0);
    const row = (id: string) => lines.find((line) => line.startsWith(`${id} `));
    expect(row("zone")).toMatch(/^zone +tick +0 3 \* \* \* \(Mars\/Olympus\) +active, broken +in /);
    expect(row("rule")).toMatch(/^rule +tick +\? +active, broken +in /);
    expect(row("good")).toMatch(/^good +tick +every 2h +active +in /);
    // By the next time, which for one of them depends on when this runs.
    expect(lines.slice(-2).toSorted()).toEqual(["rule: Expected `rule` to be as OmniQ wrote it, got something else", `zone: ${WHY}`]);
    expect(new Map((await json("schedules", "list")).map(({ id, broken }) => [id, typeof broken]))).toEqual(
      new Map([
        ["rule", "string"],
        ["good", "undefined"],
        ["zone", "string"],
      ]),
    );
  });

  test("are named where they cannot be shown, previewed or resumed: 1", async () => {
    for (const command of ["show", "preview"]) {
      const { code, lines } = await said("schedules", command, "zone");
      expect([code, lines]).toEqual([
        1,
        [
          `error: Expected schedule zone to be sound, but it is broken: ${WHY}. Make it again with the same id, or delete it (SCHEDULE_BROKEN)`,
        ],
      ]);
    }
    expect((await said("schedules", "pause", "zone", "rule", "good")).lines).toEqual(["zone paused", "rule paused", "good paused"]);
    const resumed = await said("schedules", "resume", "zone", "good");
    expect(resumed.code).toBe(1);
    expect(resumed.lines[0]).toContain("(SCHEDULE_BROKEN)");
    expect(resumed.lines[1]).toMatch(/^good resumed, next /);
  });

  test("are made again, and deleted", async () => {
    expect((await said("schedules", "add", "tick", '{"n":2}', "--id", "rule", "--every", "1h")).lines[0]).toMatch(/^rule changed, next /);
    expect((await said("schedules", "show", "rule")).code).toBe(0);
    expect(await said("schedules", "delete", "zone")).toEqual({ code: 0, lines: ["zone deleted"] });
  });

  test("are found by the doctor, who knows what helps; those that would not fire in any case are a warning", async () => {
    await omniq.schedules.pause("rule");
    const reports = await json("doctor");
    const findings = reports.flatMap((report) => report["findings"] as { check: string; severity: string; text: string; remedy: string }[]);
    const found = findings.filter(({ check }) => check === "schedules.broken");
    expect(found.map(({ severity, text }) => `${severity} ${text}`)).toEqual([
      `problem The active schedule zone is broken and does not fire: ${WHY}`,
      "warning The paused schedule rule is broken and does not fire: Expected `rule` to be as OmniQ wrote it, got something else",
    ]);
    expect(found[0]?.remedy).toContain("omniq schedules add --id zone");
    expect(found[0]?.remedy).toContain("omniq schedules delete zone");
  });
});

test("a broken task is listed and shown with what is wrong, and deleted with the others", async () => {
  const { code, lines } = await said("tasks", "list");
  expect(code).toBe(0);
  expect(lines.find((line) => line.startsWith("bad-task "))).toContain("broken: Expected `func`");
  expect(lines.some((line) => line.startsWith("good-task "))).toBe(true);
  const [bad] = await json("tasks", "show", "bad-task");
  expect(bad).toMatchObject({ id: "bad-task", phase: "ready", broken: expect.stringContaining("`func`") as string });
  expect((await said("tasks", "show", "bad-task")).lines.join("\n")).toMatch(/broken +Expected `func`/);
  expect((await said("tasks", "delete", "--phase", "ready", "--yes")).lines).toEqual(["2 tasks deleted."]);
});

test("a lock that is held is found, and one that is free is let go again", () => {
  const place = { path: join(dir, "omniq.db"), tablePrefix: "" };
  expect(isLocked(place, 0)).toBe(false);
  byHand.exec("BEGIN IMMEDIATE");
  expect(isLocked(place, 0)).toBe(true);
  byHand.exec("ROLLBACK");
  expect(isLocked(place, 0)).toBe(false);
  byHand.exec("BEGIN IMMEDIATE; ROLLBACK");
  expect(isLocked({ ...place, path: join(dir, "none", "omniq.db") }, 0)).toBe(false);
  expect(lockFinding(5_000)).toMatchObject({ check: "lock", severity: "problem", text: expect.stringContaining("more than 5s") as string });
});
