/** Tasks, results and events, each on either engine: every combination does the same work. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { defineTask, FatalError, OmniQ } from "../../src/index.ts";
import type { Backend, OmniQOptions } from "../../src/index.ts";
import { PostgresBackend } from "../../src/postgres.ts";
import { SQLiteBackend } from "../../src/sqlite.ts";
import { TestClock } from "../../src/testing/clock.ts";
import { ENGINES } from "../fixtures/engines.ts";
import { until } from "../fixtures/helpers.ts";

const dir = mkdtempSync(join(tmpdir(), "omniq-mixed-"));
afterAll(() => {
  rmSync(dir, { recursive: true, force: true });
});

const tries = new Map<string, number>();
const echo = defineTask({ name: "echo", handler: ({ n }: { n: number }) => n });
const shaky = defineTask({
  name: "shaky",
  maxRetries: 1,
  retryDelay: 1,
  handler: ({ key }: { key: string }) => {
    tries.set(key, (tries.get(key) ?? 0) + 1);
    if (tries.get(key) === 1) throw new Error("not yet");
    return "now";
  },
});
const broken = defineTask({
  name: "broken",
  handler: () => {
    throw new FatalError("never");
  },
});

const combinations = ENGINES.flatMap((tasks) => ENGINES.flatMap((results) => ENGINES.map((events) => [tasks, results, events] as const)));

/** A store of its own on an engine, even where another one lies on the same. */
function storeOn(
  { place }: (typeof ENGINES)[number],
  name: string,
  clock?: TestClock,
): { readonly backend: Backend; readonly remove: () => Promise<void> } {
  const { options, remove } = place(join(dir, name));
  const { url, schema, baseDir, projectName }: OmniQOptions = options;
  const told = clock === undefined ? {} : { clock };
  const backend =
    url === undefined
      ? new SQLiteBackend({ ...(baseDir === undefined ? {} : { baseDir }), ...(projectName === undefined ? {} : { projectName }), ...told })
      : new PostgresBackend({ url, connections: 4, ...(schema === undefined ? {} : { schema }), ...told });
  return { backend, remove };
}

const ignore = (): void => undefined;
const quiet = { debug: ignore, info: ignore, warn: ignore, error: ignore };

/** The same backend in a process that dies when it would settle: nothing of it is heard any more. */
function dying(backend: Backend): { readonly backend: Backend; readonly died: () => boolean } {
  let isDead = false;
  const silence = new Promise<never>(() => undefined);
  const work = {
    ...backend.work,
    settle: () => {
      isDead = true;
      return silence;
    },
  };
  const presence = {
    ...backend.presence,
    beat: (worker: string, held: Parameters<typeof backend.presence.beat>[1]) => (isDead ? silence : backend.presence.beat(worker, held)),
  };
  const own = new Map<string | symbol, unknown>([
    ["work", work],
    ["presence", presence],
  ]);
  const proxy = new Proxy(backend, {
    get: (target, key) => {
      const value: unknown = own.get(key) ?? Reflect.get(target, key);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  return { backend: proxy, died: () => isDead };
}

describe.each(combinations)("tasks in $name,", (...engines) => {
  const names = engines.map(({ name }) => name);

  test(`results in ${names[1] ?? ""}, events in ${names[2] ?? ""}`, { tags: ["slow"] }, async () => {
    const stores = engines.map((engine, i) =>
      storeOn(engine, `${combinations.findIndex((each) => each.every((one, j) => one === engines[j]))}-${i}`),
    );
    const [tasks, results, events] = stores.map(({ backend }) => backend);
    if (tasks === undefined || results === undefined || events === undefined) throw new Error("Expected three stores");
    for (const backend of [tasks, results, events]) await backend.open();
    const omniq = new OmniQ({ backend: tasks, results, events });
    try {
      const seen: string[] = [];
      const stop = new AbortController();
      const following = (async () => {
        for await (const { taskId, eventType } of omniq.events.follow({ after: "now", signal: stop.signal }))
          if (taskId !== undefined) seen.push(`${taskId} ${eventType}`);
      })().catch(() => undefined);
      const key = names.join();
      tries.delete(key);
      await omniq.enqueue(echo, { n: 1 }, { id: "parent", callback: echo, callbackArgs: { n: 9 } });
      await omniq.enqueue(echo, { n: 2 }, { id: "child", dependsOn: ["parent"] });
      await omniq.enqueue(shaky, { key }, { id: "shaky" });
      await omniq.enqueue(broken, undefined, { id: "broken" });
      await omniq.enqueue(echo, { n: 3 }, { id: "orphan", dependsOn: ["broken"] });
      await omniq.enqueue(echo, { n: 4 }, { id: "later", runIn: "1d" });
      await omniq.tasks.cancel("later");
      const worker = omniq.worker({ tasks: [echo, shaky, broken] });
      await worker.start();
      for (const id of ["parent", "child", "shaky", "broken"]) await until(async () => (await omniq.results.get(id)) !== undefined);

      expect(await omniq.results.get("child")).toMatchObject({ status: "completed", result: 2 });
      expect(await omniq.results.get("shaky")).toMatchObject({ status: "completed", result: "now", retryCount: 1 });
      expect(await omniq.results.get("broken")).toMatchObject({ status: "failed", error: expect.stringContaining("never") as string });
      await until(async () => (await omniq.tasks.get("orphan"))?.status === "cancelled");
      expect((await omniq.stats()).tasks).toMatchObject({ failed: 1, cancelled: 2 });
      const kinds = async (taskId: string) => (await omniq.events.find({ taskId })).map(({ eventType }) => eventType).toReversed();
      await until(async () => (await kinds("shaky")).at(-1) === "completed");
      expect(await kinds("shaky")).toEqual(["enqueued", "executing", "retrying", "executing", "completed"]);
      expect(await kinds("broken")).toEqual(["enqueued", "executing", "failed"]);
      await until(() => seen.includes("shaky completed") && seen.includes("orphan cancelled"));
      expect(seen.filter((each) => each.startsWith("shaky "))).toEqual(
        ["enqueued", "executing", "retrying", "executing", "completed"].map((kind) => `shaky ${kind}`),
      );
      expect(new Set(seen).size).toBe(seen.length - 1);
      // What lies elsewhere lies nowhere else.
      expect(await tasks.results.get(["child"])).toEqual([undefined]);
      expect(await results.events.newest({ limit: 10 })).toEqual([]);

      await omniq.tasks.delete("broken");
      expect(await omniq.tasks.get("broken")).toBeUndefined();
      expect(await omniq.results.get("broken")).toBeUndefined();
      stop.abort();
      await following;
    } finally {
      await omniq.close();
      for (const backend of [tasks, results, events]) await backend.close();
      for (const { remove } of stores) await remove();
    }
  });

  test(`results in ${names[1] ?? ""}, events in ${names[2] ?? ""}: a crash between them is made good, and what is past its time goes everywhere`, async () => {
    const clock = new TestClock();
    const stores = engines.map((engine, i) =>
      storeOn(engine, `${combinations.findIndex((each) => each.every((one, j) => one === engines[j]))}-crash-${i}`, clock),
    );
    const [tasks, results, events] = stores.map(({ backend }) => backend);
    if (tasks === undefined || results === undefined || events === undefined) throw new Error("Expected three stores");
    for (const backend of [tasks, results, events]) await backend.open();
    const passes = (look: () => Promise<boolean>): Promise<boolean> =>
      until(async () => {
        if (await look()) return true;
        await clock.advance(500);
        return false;
      }, 60_000);
    let runs = 0;
    const count = defineTask({ name: "count", handler: () => ++runs });
    const { backend, died } = dying(tasks);
    const doomed = new OmniQ({ backend, results, events, clock, logger: quiet });
    const omniq = new OmniQ({ backend: tasks, results, events, clock, retention: { completed: "1h", events: "2h" } });
    try {
      await omniq.enqueue(count, undefined, { id: "one" });
      await doomed.worker({ tasks: [count], concurrency: 1 }).start();
      await passes(() => Promise.resolve(died()));
      expect([await omniq.results.get("one"), (await omniq.tasks.get("one"))?.status]).toMatchObject([{ result: 1 }, "running"]);
      await omniq.worker({ tasks: [count], concurrency: 1 }).start();
      await passes(async () => (await omniq.tasks.get("one"))?.status === "completed");
      expect(await omniq.results.get("one")).toMatchObject({ status: "completed", result: 2 });
      expect(await omniq.tasks.get("one")).toMatchObject({ crashCount: 1 });
      const kinds = async (): Promise<readonly string[]> => (await omniq.events.find({ taskId: "one" })).map(({ eventType }) => eventType);
      // Events that lie elsewhere come after the end.
      await passes(async () => (await kinds()).length === 5);
      expect((await kinds()).toReversed()).toEqual(["enqueued", "executing", "crashed", "executing", "completed"]);

      clock.jump(3_600_000);
      await passes(async () => (await omniq.tasks.get("one")) === undefined && (await results.results.get(["one"]))[0] === undefined);
      expect((await kinds()).length).toBe(5);
      clock.jump(3_600_000);
      await passes(async () => (await kinds()).length === 0);
    } finally {
      await omniq.close();
      for (const each of [tasks, results, events]) await each.close();
      for (const { remove } of stores) await remove();
    }
  });
});
