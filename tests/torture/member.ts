/**
 * One of the tortured: a worker and a producer in a process of its own, `node member.ts '{"options": …}'`. It goes on until it is killed
 * or told to stop. Each id is witnessed before it is enqueued (`try`) and once more when that was acknowledged (`ack`).
 */
import { setTimeout as sleep } from "node:timers/promises";
import { OmniQ } from "../../src/index.ts";
import type { OmniQOptions } from "../../src/index.ts";
import { Dice } from "../../src/testing/conformance/dice.ts";
import { tortureTasks } from "./job.ts";
import type { Work } from "./job.ts";
import { Witness } from "./journal.ts";
import { arm, disarm, nameOf, watchTransactions } from "./points.ts";
import type { Point } from "./points.ts";

export interface MemberOptions {
  readonly options: OmniQOptions;
  readonly journal: string;
  readonly seed: number;
  readonly lease: number;
  /** Handlers take so many milliseconds, or down to half of them, and so many pass on average between two enqueues. */
  readonly handlerMs: number;
  readonly pauseMs: number;
  readonly point?: Point;
}
/** What it is told, and what it answers. */
export type Message = { readonly point: Point } | "ping" | "disarm" | "stop" | "ready" | "pong";

const given = JSON.parse(process.argv[2] ?? "{}") as MemberOptions;
const { seed, handlerMs, pauseMs } = given;
const witness = new Witness(given.journal);
const dice = new Dice(seed);
const quiet = (): void => undefined;
const say = (message: Message): void => void process.send?.(message);
const armed = (point: Point): void => {
  arm(point, () => {
    witness.tell(point.signal, nameOf(point));
  });
};

if ("url" in given.options) (await import("./server-points.ts")).watchServer();
else watchTransactions();
if (given.point !== undefined) armed(given.point);

const omniq = new OmniQ({ ...given.options, logger: { debug: quiet, info: quiet, warn: quiet, error: quiet } });
const { job, after } = tortureTasks(witness);
const worker = omniq.worker({ tasks: [job, after], concurrency: 10, lease: given.lease });
const stop = new AbortController();
let mine: readonly string[] = [];

worker.on("error", (error, ran) => {
  if (ran !== undefined && "code" in error && error.code === "LEASE_LOST") witness.tell("lost", ran.id);
});
worker.on("completed", ({ id }) => {
  witness.tell("done", id);
});
process.on("message", (message: Message) => {
  if (message === "ping") say("pong");
  else if (message === "disarm") disarm();
  else if (message === "stop") stop.abort();
  else if (typeof message === "object") armed(message.point);
});
// Whoever started it is gone.
process.on("disconnect", () => process.exit());

const work = (): Work => ({
  ms: Math.ceil(handlerMs / 2) + dice.below(handlerMs / 2),
  goes: dice.chance(10) ? "wrong" : dice.chance(20) ? "block" : "well",
  child: dice.chance(5),
});

async function enqueue(n: number): Promise<void> {
  const ids = dice.chance(20) ? [0, 1, 2].map((i) => `m${seed}-${n}-${i}`) : [`m${seed}-${n}`];
  const dependsOn = dice.chance(20) ? mine.map((on) => ({ on, ifFailed: "run" as const })) : [];
  const callback = dice.chance(5) ? { callback: after } : {};
  witness.tell("try", ...ids);
  await omniq.enqueueMany(ids.map((id) => job.with(work(), { id, dependsOn, ...callback })));
  witness.keep("ack", ...ids);
  mine = ids;
}

await worker.start();
say("ready");
for (let n = 1; !stop.signal.aborted; n++) {
  await enqueue(n).catch((error: unknown) => {
    witness.tell("refused", error instanceof Error && "code" in error ? String(error.code) : String(error));
  });
  await sleep(dice.below(2 * pauseMs));
}
await omniq.close();
process.disconnect?.();
