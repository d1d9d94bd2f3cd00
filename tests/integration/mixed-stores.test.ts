/** Tasks, results and events, each on either engine: every combination does the same work. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { defineTask, FatalError, OmniQ } from "../../src/index.ts";
import type { Backend, OmniQOptions } from "../../src/index.ts";
import { PostgresBackend } from "../../src/postgres.ts";
import { SQLiteBackend } from "../../src/sqlite.ts";
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
function storeOn({ place }: (typeof ENGINES)[number], name: string): { readonly backend: Backend; readonly remove: () => Promise<void> } {
  const { options, remove } = place(join(dir, name));
  const { url, schema, baseDir, projectName }: OmniQOptions = options;
  const backend =
    url === undefined
      ? new SQLiteBackend({ ...(baseDir === undefined ? {} : { baseDir }), ...(projectName === undefined ? {} : { projectName }) })
      : new PostgresBackend({ url, connections: 4, ...(schema === undefined ? {} : { schema }) });
  return { backend, remove };
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
});
