/** What the tortured processes work at: each run says under which fence it begins and ends, and its result says it once more. */
import { setTimeout as sleep } from "node:timers/promises";
import { defineTask } from "../../src/index.ts";
import type { Context } from "../../src/index.ts";
import type { Witness } from "./journal.ts";
import { reach } from "./points.ts";

export interface Work {
  readonly ms: number;
  /** `block`: holds the event loop meanwhile, so that its outcome comes before any timer. */
  readonly goes: "well" | "block" | "wrong";
  /** A child is enqueued on the way. */
  readonly child: boolean;
}
interface Done {
  readonly fence: number;
}

/** Nothing here is poison, however often its processes die. */
const POLICY = { maxRetries: 3, retryDelay: 20, maxCrashes: 1_000 } as const;

export function tortureTasks(witness: Witness) {
  const run = async (ctx: Context, inside: () => Promise<void>): Promise<Done> => {
    witness.tell("start", ctx.id, ctx.fence);
    reach("handler", "start");
    await inside();
    witness.tell("end", ctx.id, ctx.fence);
    reach("handler", "end");
    return { fence: ctx.fence };
  };
  /** Enqueued by a task on its way, or as its callback. */
  const after = defineTask({ ...POLICY, name: "after", handler: (_: object, ctx) => run(ctx, () => Promise.resolve()) });
  const job = defineTask({
    ...POLICY,
    name: "job",
    handler: async ({ ms, goes, child }: Work, ctx): Promise<Done> => {
      const done = await run(ctx, async () => {
        if (child) await ctx.enqueue(after, {});
        if (goes === "block") Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
        else await sleep(ms, undefined, { signal: ctx.signal });
      });
      if (goes === "wrong" && ctx.attempt === 1) throw new Error("wrong");
      return done;
    },
  });
  return { job, after };
}
