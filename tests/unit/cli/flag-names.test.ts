/** What the API refuses is told in the words that were typed. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { COMMANDS } from "../../../src/cli/commands.ts";
import type { CommandSpec } from "../../../src/cli/command.ts";
import { messageOf, writtenNames } from "../../../src/cli/flag-names.ts";
import { execute } from "../../../src/cli/main.ts";
import { expected, ModuleError } from "../../../src/core/errors.ts";
import { OmniQ } from "../../../src/index.ts";
import { ENQUEUE_KEYS } from "../../../src/runtime/options.ts";
import { SCHEDULE_KEYS } from "../../../src/runtime/schedule-options.ts";
import { fakeTerminal } from "./fake-terminal.ts";

function commandCalled(name: string): CommandSpec {
  const spec = COMMANDS.find((each) => each.name === name);
  if (spec === undefined) throw new Error(`There is no command ${name}`);
  return spec;
}

describe("each option of the API has its flag", () => {
  // `unique` is said by its parts.
  const parts = (keys: readonly string[]) =>
    keys.flatMap((key) => (key === "unique" ? ["key", "until", "onConflict"].map((part) => `unique.${part}`) : [key]));

  test.each([
    ["enqueue", parts(ENQUEUE_KEYS)],
    ["schedules add", parts(SCHEDULE_KEYS)],
    ["tasks list", ["status", "phase", "func", "queueName", "tags", "scheduleId", "createdFrom", "createdTo", "limit"]],
    ["events", ["taskId", "eventType", "scheduleId", "from", "to", "limit", "after"]],
    ["worker", ["queues", "concurrency", "lease"]],
  ])("of %s", (name, keys) => {
    const written = writtenNames(commandCalled(name));
    expect(keys.filter((key) => !written.has(key))).toEqual([]);
  });
});

describe("an error of the API", () => {
  let dir = "";
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), "omniq-flag-names-"));
    await using omniq = new OmniQ({ baseDir: dir });
    await omniq.open();
  });
  afterAll(() => {
    rmSync(dir, { recursive: true });
  });

  test.each<[readonly string[], string]>([
    [["enqueue", "a", "--at", "2026-01-01", "--in", "5m"], "Expected --at to be given alone, not together with --in, got 20"],
    [["enqueue", "a", "--in", "5m", "--ttl", "1m"], "Expected --in to be shorter than the --ttl of 60000 ms, got 300000"],
    [["enqueue", "a", "--tag", ""], 'Expected --tag to be text of 1 to 200 characters, without NUL and halves of surrogate pairs, got ""'],
    [["enqueue", "a", "--queue", ""], "Expected --queue to be text"],
    [["enqueue", "a", "--unique", ""], "Expected --unique to be text"],
    [["enqueue", "a", "--unique", "k", "--unique-until", "soon"], 'Expected --unique-until to be "finished", "started" or a duration'],
    [["enqueue", "a", "--callback-args", "{}"], "Expected --callback-args to be absent where there is no --callback"],
    [["enqueue", "a", "--depends-on", ""], "Expected --depends-on to be an id"],
    [["enqueue", ""], "Expected <task> to be a name of 1 to"],
    [["schedules", "add", "", "--every", "5m"], "Expected [task] to be a name of 1 to"],
    [["schedules", "add", "a"], "Expected exactly one of --cron, --every, --at and --once, got none"],
    [
      ["schedules", "add", "a", "--every", "5m", "--once"],
      "Expected exactly one of --cron, --every, --at and --once, got --every and --once",
    ],
    [
      ["schedules", "add", "a", "--every", "5m", "--timezone", "UTC"],
      'Expected --timezone to be absent where there is no --cron, got "UTC"',
    ],
    [
      ["schedules", "add", "a", "--at", "2026-01-01", "--start-at", "2026-01-01"],
      "Expected --start-at to be absent for a schedule that runs once",
    ],
    [
      ["schedules", "add", "a", "--every", "5m", "--catch-up", "1001"],
      'Expected --catch-up to be "latest", "skip" or a number from 1 to 1000, got 1001',
    ],
    [["schedules", "add", "a", "--every", "5m", "--name", ""], "Expected --name to be text of 1 to"],
    [["tasks", "list", "--func", ""], "Expected --func to be text"],
    [["tasks", "list", "--schedule", ""], "Expected --schedule to be text"],
    [["events", "--task", ""], "Expected --task to be text"],
    [["results", "latest", ""], "Expected <schedule> to be the id of a schedule"],
    [["queues", "pause", ""], "Expected <names...> to be text"],
  ])("%j names what was typed", async (argv, message) => {
    const fake = fakeTerminal();
    const code = await execute([...argv, "--base-dir", dir], fake.terminal);
    expect(stripVTControlCharacters(fake.lines().join("\n"))).toContain(`error: ${message}`);
    expect(code).toBe(2);
  });

  test("of somebody's own code keeps its words, and so does what no flag sets", () => {
    const spec = commandCalled("enqueue");
    expect(messageOf(new ModuleError("X", "Expected `runAt` to be earlier"), spec)).toBe("Expected `runAt` to be earlier");
    expect(messageOf(expected("runAt", "earlier", 1), undefined)).toBe("Expected `runAt` to be earlier, got 1");
    expect(messageOf(expected("limits", "`cron`", "`tag`"), spec)).toBe('Expected `limits` to be `cron`, got "`tag`"');
    expect(messageOf(expected("dependsOn[3].on", "an id", 1), spec)).toBe("Expected --depends-on to be an id, got 1");
  });
});
