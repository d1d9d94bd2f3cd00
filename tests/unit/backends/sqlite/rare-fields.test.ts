import { expect, test } from "vitest";
import { DEFAULT_POLICY } from "../../../../src/core/task.ts";
import type { NewTask, StoredTask } from "../../../../src/core/task.ts";
import { SQLiteBackend } from "../../../../src/sqlite.ts";

/** Each field that a task need not have, alone: common tasks are written and read by shorter statements, which must not leave one out. */
const FIELDS: { readonly [K in keyof Required<NewTask>]?: readonly [given: Partial<NewTask>, stored: Partial<StoredTask>] } = {
  kwargs: [{ kwargs: '{"a":1}' }, { kwargs: '{"a":1}' }],
  label: [{ label: "l" }, { label: "l" }],
  description: [{ description: "d" }, { description: "d" }],
  tags: [{ tags: ["t"] }, { tags: ["t"] }],
  due: [{ due: { at: 5 } }, { runAt: 5, dueAt: 5 }],
  ttl: [{ ttl: 1e12 }, { ttl: 1e12 }],
  expiresAt: [{ expiresAt: 9e12 }, { expiresAt: 9e12 }],
  scheduleId: [{ scheduleId: "s" }, { scheduleId: "s" }],
  callback: [{ callback: { func: "c" } }, { callback: { func: "c" } }],
  backoff: [{ backoff: "exponential" }, { backoff: "exponential" }],
  timeout: [{ timeout: 7 }, { timeout: 7 }],
  atMostOnce: [{ atMostOnce: true }, { atMostOnce: true }],
  resultTtl: [{ resultTtl: 8 }, { resultTtl: 8 }],
  storeResult: [{ storeResult: false }, { storeResult: false }],
  maxRetries: [{ maxRetries: 0 }, { maxRetries: 0 }],
  retryDelay: [{ retryDelay: 1 }, { retryDelay: 1 }],
  maxCrashes: [{ maxCrashes: 9 }, { maxCrashes: 9 }],
  priority: [{ priority: -2 }, { priority: -2 }],
  createdAt: [{ createdAt: 3 }, { createdAt: 3, dueAt: 3 }],
};

test.each(Object.entries(FIELDS))("a task with %s alone is stored with it, and claimed with it", async (_, [given, stored]) => {
  const backend = new SQLiteBackend({ path: ":memory:" });
  await backend.initialize();
  const identity = { host: "h", boot: "b", pid: 1, started: "", leaseMs: 1_000, concurrency: 1 };
  await backend.presence.arrive({ worker: "w", role: "worker", ...identity, queues: ["q"], names: ["f"] });
  const plain = { ...DEFAULT_POLICY, id: "a", func: "f", args: "{}", queue: "q", priority: 0, tags: [], dependsOn: [] };
  await backend.work.enqueue([{ tasks: [{ ...plain, ...given }], announce: true }]);
  expect((await backend.desk.get(["a"]))[0]).toMatchObject(stored);
  const ask = { worker: "w", limit: 1, of: { due: true, queues: ["q"], names: ["f"], announce: true } } as const;
  const [claim] = (await backend.work.claim(ask)).claims;
  expect(claim?.task).toMatchObject({ ...stored, worker: "w", status: "running" });
  expect(claim?.task).toEqual((await backend.desk.get(["a"]))[0]);
  await backend.close();
});
