/** Whatever is given at any option: taken, or refused by a typed error that names the option. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { defineTask, OmniQ, OmniQError, Schedule, Task, TaskEvent, TaskResult } from "../../src/index.ts";
import { milliseconds } from "../../src/core/duration.ts";
import { checkCron } from "../../src/core/schedule.ts";
import { WORKER_KEYS } from "../../src/runtime/parts.ts";
import { SCHEDULE_KEYS } from "../../src/runtime/schedule-options.ts";
import { PostgresBackend } from "../../src/postgres.ts";
import { SQLiteBackend } from "../../src/sqlite.ts";
import { FUZZ, hostileText, hostileValue, runs, sharedPrototypes } from "../fixtures/hostile.ts";
import type { Maker } from "../fixtures/hostile.ts";

const echo = defineTask({ name: "echo", handler: (args: unknown) => args });
const omniq = new OmniQ<unknown>({ url: "sqlite::memory:" });
const TASK = [
  "maxRetries",
  "retryDelay",
  "backoff",
  "timeout",
  "ttl",
  "resultTtl",
  "storeResult",
  "atMostOnce",
  "maxCrashes",
  "priority",
  "queueName",
  "tags",
];

/** What takes options, and which. */
const TAKERS: readonly (readonly [name: string, options: readonly string[], take: (options: object) => unknown])[] = [
  [
    "defineTask",
    [...TASK, "name", "aliases", "input", "output", "handler", "retryIf"],
    (o) => defineTask({ name: "t", handler: () => 1, ...o }),
  ],
  [
    "new OmniQ",
    [
      "projectName",
      "baseDir",
      "url",
      "backend",
      "results",
      "events",
      "durability",
      "tablePrefix",
      "schema",
      "taskDefaults",
      "retention",
      "payloadLimit",
      "logger",
      "clock",
    ],
    (o) => new OmniQ(o),
  ],
  ["omniq.worker", [...WORKER_KEYS, "tasks", "modules"], (o) => omniq.worker({ tasks: [echo], ...o })],
  [
    "omniq.schedule",
    SCHEDULE_KEYS,
    (o) => omniq.schedule(echo, {}, { id: "s", ...("every" in o || "cron" in o || "at" in o || "once" in o ? {} : { every: "1h" }), ...o }),
  ],
  [
    "new SQLiteBackend",
    ["projectName", "baseDir", "path", "durability", "tablePrefix", "busyTimeout", "connection", "clock"],
    (o) => new SQLiteBackend(o),
  ],
  [
    "new PostgresBackend",
    ["url", "schema", "connections", "pool", "prepare", "clock"],
    (o) => new PostgresBackend({ url: "postgres://host/shop", ...o }),
  ],
  [
    "new Task",
    [
      ...TASK,
      "id",
      "func",
      "funcArgs",
      "funcKwargs",
      "runAt",
      "createdAt",
      "status",
      "dependsOn",
      "callback",
      "callbackArgs",
      "retryCount",
      "unique",
    ],
    (o) => new Task({ func: "f", ...o }),
  ],
  [
    "new Schedule",
    [
      "id",
      "taskId",
      "scheduleType",
      "cronExpression",
      "interval",
      "runAt",
      "maxRuns",
      "status",
      "timezone",
      "nextRunAt",
      "catchUp",
      "overlap",
      "jitter",
    ],
    (o) => new Schedule({ taskId: "t", ...o }),
  ],
  [
    "new TaskResult",
    ["taskId", "status", "result", "error", "createdAt", "ttl", "executionTime"],
    (o) => new TaskResult({ taskId: "t", status: "completed", ...o }),
  ],
  [
    "new TaskEvent",
    ["id", "taskId", "eventType", "timestamp", "data", "level", "executionTime"],
    (o) => new TaskEvent({ eventType: "enqueued", ...o }),
  ],
];

/** What a value throws itself when somebody looks at it: nobody can say more. */
const OWN = /^(?:a getter|a trap|toJSON|.* on a proxy that has been revoked)$/;

/** Nothing but a typed error. */
async function refusal(take: () => unknown): Promise<OmniQError | undefined> {
  try {
    await take();
    return undefined;
  } catch (error) {
    if (error instanceof OmniQError) return error;
    if (error instanceof Error && OWN.test(error.message)) return undefined;
    throw error;
  }
}
const value = fc.oneof(
  hostileValue,
  fc
    .oneof(hostileText, fc.constantFrom("5s", "-1s", "1h", "", " ", "1e9d", "postgres://u:p@h/d", "sqlite:x", "@daily", "* * * * *", "UTC"))
    .map(
      (text): Maker =>
        () =>
          text,
    ),
);

describe.each(TAKERS)("%s", (_, options, take) => {
  test("takes a value, or refuses it by the option's name", FUZZ, async () => {
    const before = sharedPrototypes();
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...options), value, async (option, make) => {
        const given = Object.defineProperty({}, option, { value: make(), enumerable: true });
        const error = await refusal(() => take(given));
        if (error === undefined) return;
        refused++;
        expect(error.code).toMatch(/^[A-Z_]+$/);
        expect(error.message).toContain(option === "cronExpression" ? "cron" : option);
      }),
      runs(400),
    );
    expect(refused).toBeGreaterThan(50);
    expect(sharedPrototypes()).toBe(before);
  });

  test("refuses an option that there is not, whatever it is called", FUZZ, async () => {
    await fc.assert(
      fc.asyncProperty(hostileText, async (name) => {
        const error = await refusal(() => take(Object.defineProperty({}, name, { value: 1, enumerable: true })));
        expect(error?.code).toBe(options.includes(name) ? error?.code : "UNKNOWN_OPTION");
      }),
      runs(200),
    );
  });
});

test.each<[string, (text: unknown) => unknown]>([
  ["a duration", (given) => milliseconds(given, "wait")],
  ["a cron expression", (given) => checkCron(given, "UTC", 0)],
  ["a time zone", (given) => checkCron("0 3 * * *", given, 0)],
])("%s is one, or refused", FUZZ, async (_, read) => {
  const part = fc.constantFrom(
    ..."0 5 * */ */0 1-5 5-1 L W # ? MON JAN @daily @ , - / 5s 1h30m 1e9 Europe/Berlin europe/berlin Etc/GMT+25 +02:00 Z".split(" "),
  );
  const almost = fc.array(fc.oneof(part, hostileText), { maxLength: 7 }).map(
    (parts): Maker =>
      () =>
        parts.join(" "),
  );
  await fc.assert(
    fc.asyncProperty(fc.oneof(almost, value), async (make) => {
      await refusal(() => read(make()));
    }),
    runs(1_000),
  );
});
