/** Ctrl-C: the first asks what runs to stop, the second ends the process at once. */
import { EXIT } from "./command.ts";

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

export interface Interrupt {
  /** Aborts at the first signal. */
  readonly signal: AbortSignal;
  /** Listens no longer. */
  end(): void;
}

/** @param atOnce said before the process ends at the second signal. */
export function listenForInterrupts(atOnce: () => void): Interrupt {
  const controller = new AbortController();
  const onSignal = (): void => {
    if (controller.signal.aborted) {
      atOnce();
      // What runs is recovered by the next start.
      process.exit(EXIT.interrupted);
    }
    controller.abort(new Interrupted());
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  return {
    signal: controller.signal,
    end() {
      for (const signal of SIGNALS) process.off(signal, onSignal);
    },
  };
}

/** Why everything ends that was waited for. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
}

/**
 * Where SQLite works on a thread: that cannot be stopped, and the end of the process would wait for it. Only a signal ends it at once; whichever
 * came, it is the one that every shell takes for 130.
 */
export function endNow(): void {
  if (process.platform === "win32") return;
  process.removeAllListeners("SIGINT");
  process.kill(process.pid, "SIGINT");
}
