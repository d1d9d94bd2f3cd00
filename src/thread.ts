/** The far side of `startSync()`: opens its own backends, runs a worker, and ends when it is told to. */
import { isMainThread, workerData } from "node:worker_threads";
import type { Backend } from "./core/backend.ts";
import { backendAt, systemClock } from "./host.ts";
import { WORKER_EVENTS } from "./runtime/emitter.ts";
import type { Logger } from "./runtime/signatures.ts";
import { Stores } from "./runtime/stores.ts";
import { sent, STATE } from "./sync-thread.ts";
import type { FromThread, ThreadPlan, ToThread } from "./sync-thread.ts";
import { homeOf, Worker } from "./worker.ts";

async function main(plan: ThreadPlan): Promise<void> {
  const { state, port, options, modules, taskDefaults, payloadLimit } = plan;
  const become = (next: number): void => {
    Atomics.store(state, 0, next);
    Atomics.notify(state, 0);
  };
  const tell = (message: FromThread): void => {
    port.postMessage(message);
  };
  // However it ends, nobody may wait for it for ever.
  process.on("exit", () => {
    become(STATE.stopped);
  });
  try {
    const places: Backend[] = [];
    for (const place of plan.places) places.push(await backendAt(place));
    const [main, results, events] = [places[plan.main], places[plan.results], places[plan.events]];
    if (main === undefined) throw new TypeError("a plan has a main place");
    const home = homeOf({
      stores: new Stores(main, results, events),
      clock: systemClock,
      logger: loggerTo(tell),
      taskDefaults,
      payloadLimit,
    });
    const worker = new Worker({ ...options, modules }, home);
    for (const event of WORKER_EVENTS)
      worker.on(event, (...args: readonly unknown[]) => {
        tell({ is: "event", event, args: args.map((arg) => plain(arg)) });
      });
    const end = async (grace: number): Promise<void> => {
      try {
        await worker.stop({ timeout: grace });
        for (const place of places) await place.close();
      } finally {
        become(STATE.stopped);
        port.close();
      }
    };
    await worker.start();
    port.on("message", ({ stop }: ToThread) => {
      void end(stop);
    });
    become(STATE.running);
  } catch (error) {
    tell(sent(error));
    become(STATE.failed);
    port.close();
  }
}

/** An error keeps only its text on the way. */
function plain(arg: unknown): unknown {
  return arg instanceof Error ? new Error(arg.message) : arg;
}

function loggerTo(tell: (message: FromThread) => void): Logger {
  const at =
    (level: keyof Logger) =>
    (message: string, data?: Readonly<Record<string, unknown>>): void => {
      tell({ is: "log", level, message, data });
    };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

if (!isMainThread) void main(workerData as ThreadPlan);
