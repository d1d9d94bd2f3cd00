/**
 * The worker of `omniq dev`, in a process of its own: tells its parent which files it loads, stops when the parent asks for it, and
 * also when the parent is gone.
 */
import "../signals.ts";
import { registerHooks } from "node:module";
import { fileURLToPath } from "node:url";
import { EXIT } from "../command.ts";
import { main } from "../main.ts";
import type { Stops } from "../worker/stops.ts";
import { leaveSoon, work } from "../worker/work.ts";

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

/** Without a parent it is over after so long, whatever it waits for: longer than the grace of a worker and its last writes. */
const LAST = 20_000;

/** The terminal's Ctrl-C reaches the parent, too, and only the parent counts. */
const parentStops: Stops = (ask) => {
  const ignore = (): void => {};
  const onMessage = (message: unknown): void => {
    if (message === "stop") ask("the parent");
  };
  const onGone = (): void => {
    ask("the end of the parent");
    setTimeout(() => process.exit(EXIT.failed), LAST).unref();
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

await main(["worker", ...process.argv.slice(2)], (given, terminal) => work(given, terminal, parentStops));
leaveSoon();
