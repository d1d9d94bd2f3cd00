/**
 * Called first: whoever is asked to end while no command listens (not yet, not any more, or not at all) ends at once, with the code of an
 * interruption or the one that is set by then. Written so that Node 14 can read it.
 */
export function endOnSignals(): void {
  for (const signal of ["SIGINT", "SIGTERM"]) {
    process.on(signal, () => {
      if (process.listenerCount(signal) === 1) process.exit(process.exitCode === undefined ? INTERRUPTED : process.exitCode);
    });
  }
}

const INTERRUPTED = 130;
