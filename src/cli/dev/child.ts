/**
 * The worker of `omniq dev`, in a process of its own: is told the id of its parent and how long it may outlive it, tells which files it
 * loads, stops when the parent asks for it, and also when the parent is gone.
 */
import { registerHooks } from "node:module";
import { fileURLToPath } from "node:url";
import { startThread } from "../../entry.ts";
import { main } from "../main.ts";
import { endOnSignals } from "../signals.ts";
import type { Stops } from "../worker/stops.ts";
import { leaveSoon, work } from "../worker/work.ts";
import type { Guarded } from "./guard-thread.ts";

/** What the child tells. */
export interface Loaded {
  readonly loaded: string;
}

registerHooks({
  load(url, context, next) {
    // Told before it is read: a file with a mistake in it is the one to watch.
    if (url.startsWith("file:") && !url.includes("/node_modules/") && process.connected) {
      const message: Loaded = { loaded: fileURLToPath(url) };
      process.send?.(message);
    }
    return next(url, context);
  },
});

endOnSignals();

const [parent, patience, ...args] = process.argv.slice(2);
const guarded: Guarded = { parent: Number(parent), patience: Number(patience) };
startThread("cli/dev/guard-thread", { workerData: guarded }).unref();

/** The terminal's Ctrl-C reaches the parent, too, and only the parent counts. */
const parentStops: Stops = (ask) => {
  const ignore = (): void => {};
  const onMessage = (message: unknown): void => {
    if (message === "stop") ask("the parent");
  };
  const onGone = (): void => {
    ask("the end of the parent");
  };
  process.on("SIGINT", ignore).on("SIGTERM", onGone).on("message", onMessage).on("disconnect", onGone);
  // The parent may have gone while this process began.
  if (!process.connected) onGone();
  return () => {
    process.off("message", onMessage).off("disconnect", onGone);
    // An open channel would keep the process alive.
    if (process.connected) process.disconnect();
  };
};

await main(["worker", ...args], (given, terminal) => work(given, terminal, parentStops));
leaveSoon();
