/**
 * A thread of the child of `omniq dev`: ends the process when the parent is gone and the process does not end by itself, since a handler
 * computes without an end, say, and its event loop hears nothing.
 */
import { isMainThread, workerData } from "node:worker_threads";

/** Plain data: it is cloned. */
export interface Guarded {
  /** The parent's process id. */
  readonly parent: number;
  /** Milliseconds that the process has to end by itself. */
  readonly patience: number;
}

const LOOK_EVERY = 1_000;

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function guard({ parent, patience }: Guarded): void {
  const looking = setInterval(() => {
    // An orphan gets another parent; on Windows it keeps the id of the one that is gone.
    if (process.ppid === parent && isThere(parent)) return;
    clearInterval(looking);
    setTimeout(() => process.kill(process.pid, "SIGKILL"), patience);
  }, LOOK_EVERY);
}

if (!isMainThread) guard(workerData as Guarded);
