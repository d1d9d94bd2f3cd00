/** Whatever is enqueued, with whatever options, on each engine: it comes back as it was, or a typed error refuses it and nothing is stored. */
import * as fc from "fast-check";
import { describe, expect } from "vitest";
import { systemClock } from "../../src/host.ts";
import { defineTask, OmniQ, OmniQError } from "../../src/index.ts";
import type { EnqueueOptions, Task, TaskFind } from "../../src/index.ts";
import { ENQUEUE_KEYS } from "../../src/runtime/options.ts";
import { ModelBackend } from "../../src/testing/index.ts";
import { test as base } from "../fixtures/context.ts";
import { ENGINES } from "../fixtures/engines.ts";
import { FUZZ, hostileText, hostileValue, runs, sameValue, sharedPrototypes } from "../fixtures/hostile.ts";
import type { Maker } from "../fixtures/hostile.ts";

const none = defineTask<unknown>({ name: "none" });
const model = {
  name: "the model",
  place: () => ({ options: { backend: new ModelBackend({ clock: systemClock }) }, remove: () => Promise.resolve() }),
};

/** What comes of a call: its value, or the typed error that refused it; any other error fails the test. */
async function attempt<T>(call: () => Promise<T>): Promise<T | OmniQError> {
  try {
    return await call();
  } catch (error) {
    if (!(error instanceof OmniQError)) throw error;
    expect(error.code).toMatch(/^[A-Z_]+$/);
    return error;
  }
}

describe.each<(typeof ENGINES)[number] | typeof model>([model, ...ENGINES])("on $name", ({ place }) => {
  const test = base.extend("omniq", ({ testDir }, { onCleanup }) => {
    const { options, remove } = place(testDir);
    // Soon full: what holds itself many times over is refused when it is.
    const omniq = new OmniQ<unknown>({ ...options, payloadLimit: 20_000 });
    onCleanup(async () => {
      await omniq.close();
      await remove();
    });
    return omniq;
  });

  async function count(omniq: OmniQ<unknown>): Promise<number> {
    return Object.values((await omniq.stats()).tasks).reduce((sum, each) => sum + each, 0);
  }

  test("arguments come back as they were, or are refused and not stored", FUZZ, async ({ omniq }) => {
    const before = sharedPrototypes();
    let stored = 0;
    let n = 0;
    await fc.assert(
      fc.asyncProperty(hostileValue, async (make) => {
        const [id, args] = [`task-${n++}`, make()];
        const handle = await attempt(() => omniq.enqueue(none, args, { id }));
        const task = await omniq.tasks.get(id);
        if (handle instanceof OmniQError) expect(task).toBeUndefined();
        else expect(sameValue(args, task?.funcArgs)).toBe(true);
        if (task !== undefined) stored++;
      }),
      runs(200),
    );
    expect(stored).toBeGreaterThan(60);
    expect(await count(omniq)).toBe(stored);
    expect(sharedPrototypes()).toBe(before);
  });

  test("a result comes back as it was, or its task has failed for good, saying why", FUZZ, async ({ omniq }) => {
    const makers = fc.sample(hostileValue, { ...runs(100) });
    const given: unknown[][] = [];
    const give = defineTask({
      name: "give",
      handler: ({ i }: { i: number }) => {
        // In a list: a promise would be awaited.
        const value = [makers[i]?.()];
        given.push(value);
        return value;
      },
    });
    const handles = await omniq.enqueueMany(makers.map((_, i) => give.with({ i })));
    await omniq.worker({ tasks: [give], concurrency: 1 }).drain();
    for (const [i, handle] of handles.entries()) {
      const result = await omniq.results.get(handle.id);
      if (result?.status === "completed") expect(sameValue(given[i], result.result)).toBe(true);
      else expect(result?.error).toMatch(/^PayloadError: (?:Cannot store|Expected result to be)/);
    }
    expect(given.length).toBe(makers.length);
  });

  test("each attempt gets the arguments as they were enqueued, whatever the one before did to them", async ({ omniq }) => {
    const args = { list: [1, 2], map: new Map([["a", { deep: true }]]), text: "as it was" };
    const seen: unknown[] = [];
    const spoil = defineTask({
      name: "spoil",
      maxRetries: 1,
      retryDelay: 0,
      handler: (given: typeof args) => {
        seen.push(structuredClone(given));
        given.list.length = 0;
        given.map.clear();
        Object.assign(given, { text: "spoiled" });
        if (seen.length === 1) throw new Error("again");
      },
    });
    const handle = await omniq.enqueue(spoil, args);
    await omniq.worker({ tasks: [spoil] }).start();
    await handle.result({ timeout: "20s" });
    expect(seen).toEqual([args, args]);
    expect((await handle.get())?.funcArgs).toEqual(args);
  });

  test("a page after another one has no row twice and passes none over, whatever comes and goes meanwhile", async ({ omniq }) => {
    const ids = Array.from({ length: 25 }, (_, i) => `stays-${String(i).padStart(2, "0")}`);
    for (const id of ids) await omniq.enqueueMany([none.with(undefined, { id }), none.with(undefined, { id: `goes-${id}` })]);
    const seen: string[] = [];
    let after: string | undefined;
    do {
      const { items, next } = await omniq.tasks.find({ limit: 7, ...(after === undefined ? {} : { after }) });
      seen.push(...items.map(({ id }) => id));
      // What was shown, what is still to come, and what is newer than all.
      for (const gone of [items.at(-1)?.id, `goes-${ids[Math.floor(seen.length / 4)]}`])
        if (gone?.startsWith("goes") === true) await omniq.tasks.delete(gone);
      await omniq.enqueue(none, undefined, { id: `new-${seen.length}` });
      after = next;
    } while (after !== undefined);
    expect(seen.filter((id) => id.startsWith("stays"))).toEqual(ids.toReversed());
    expect(new Set(seen).size).toBe(seen.length);
  });

  test("an option holds whatever text it takes, and takes no other value", FUZZ, async ({ omniq }) => {
    const before = sharedPrototypes();
    let n = 0;
    const text = hostileText.map(
      (each): Maker =>
        () =>
          each,
    );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...ENQUEUE_KEYS, "unknown"), fc.oneof(text, hostileValue), async (option, make) => {
        const value = make();
        const id = `task-${n++}`;
        const options = { id, ...objectOf(option, value) } as EnqueueOptions;
        const handle = await attempt(() => omniq.enqueue(none, undefined, options));
        const task = await omniq.tasks.get(handle instanceof OmniQError ? id : handle.id);
        if (handle instanceof OmniQError) expect(task).toBeUndefined();
        else if (value !== undefined) expect(readBack(option, task)).toSatisfy((stored) => stored === LOST || sameValue(value, stored));
      }),
      runs(300),
    );
    expect(sharedPrototypes()).toBe(before);
  });

  test("a question is answered or refused, whatever is asked, and changes nothing", FUZZ, async ({ omniq }) => {
    await omniq.enqueueMany([none.with(undefined, { tags: ["a"] }), none.with(undefined)]);
    const keys: readonly (keyof TaskFind)[] = [
      "func",
      "queueName",
      "tags",
      "scheduleId",
      "status",
      "phase",
      "createdFrom",
      "limit",
      "after",
    ];
    const text = hostileText.map(
      (each): Maker =>
        () =>
          each,
    );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...keys), fc.oneof(text, hostileValue), async (key, make) => {
        const value = make();
        const asked = objectOf(key, key === "tags" && typeof value === "string" ? [value] : value);
        await attempt(() => omniq.tasks.find(asked));
        await attempt(() => omniq.events.find(asked));
        // A verb takes an id or a filter, and nobody's id may be a filter.
        await attempt(() => omniq.tasks.get(value as string));
        if (typeof value === "string") await attempt(() => omniq.tasks.delete(value));
        await attempt(() => omniq.results.get(value as string));
        await attempt(() => omniq.tasks.why(value as string));
        await attempt(() => omniq.schedules.get(value as string));
        await attempt(() => omniq.queues.pause(value as string));
      }),
      runs(150),
    );
    expect(await count(omniq)).toBe(2);
  });
});

const ODD = "a\0b\uD800 😀";
const KEPT = "a\uFFFDb\uFFFD 😀";
const discards = defineTask({ name: "discards", handler: (_: unknown, ctx) => ctx.discard({ reason: ODD }) });

describe.each<(typeof ENGINES)[number] | typeof model>([model, ...ENGINES])("on $name", ({ place }) => {
  base("a reason that no engine can store is kept as far as each can", async ({ testDir }) => {
    const { options, remove } = place(testDir);
    const omniq = new OmniQ<unknown>(options);
    const [discarded, cancelled] = [await omniq.enqueue(discards, undefined), await omniq.enqueue(none, undefined)];
    await cancelled.cancel(ODD);
    await omniq.worker({ tasks: [discards] }).drain();
    const reasons = [await discarded.result().catch(String), await cancelled.result().catch(String)];
    const told = (await omniq.events.find({ eventType: "cancelled" })).map(({ message }) => message);
    await omniq.close();
    await remove();
    expect(reasons).toEqual([expect.stringContaining(KEPT), expect.stringContaining(KEPT)]);
    expect(told.filter((message) => message?.includes("\0"))).toEqual([]);
  });
});

describe.each(ENGINES)("on $name", ({ place }) => {
  base("a limit that was raised holds as much, and refuses more before anything is written", async ({ testDir }) => {
    const { options, remove } = place(testDir);
    const omniq = new OmniQ<unknown>({ ...options, payloadLimit: 8_000_000 });
    const args = { text: "é".repeat(2_000_000), bytes: Buffer.alloc(1_500_000, 7) };
    await omniq.enqueue(none, args, { id: "long" });
    const stored = (await omniq.tasks.get("long"))?.funcArgs;
    const longer = await attempt(() => omniq.enqueue(none, { ...args, more: "x".repeat(3_000_000) }, { id: "longer" }));
    const absent = await omniq.tasks.get("longer");
    await omniq.close();
    await remove();
    expect(sameValue(args, stored)).toBe(true);
    expect(longer).toMatchObject({ code: "PAYLOAD_TOO_LARGE" });
    expect(absent).toBeUndefined();
  });
});

const LOST = Symbol("is stored in another form");

/** What a stored task says of an option; times, policies and references have forms of their own there. */
function readBack(option: string, task: Task | undefined): unknown {
  if (option === "label") return task?.name;
  if (option === "callbackArgs") return task?.callbackArgs;
  return option === "id" || option === "description" || option === "queueName" || option === "tags" ? task?.[option] : LOST;
}

/** An object with one property of its own, whatever it is called. */
function objectOf(key: string, value: unknown): object {
  return Object.defineProperty({}, key, { value, enumerable: true, writable: true, configurable: true });
}
