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
