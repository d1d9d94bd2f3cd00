/** The thread on which `omniq doctor` examines a file: it may take minutes, and signals are heard meanwhile. */
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import { examine, isLocked, SCHEMA_VERSION } from "../../backends/sqlite/examine.ts";
import type { DatabaseFacts } from "../../backends/sqlite/examine.ts";
import { StorageError } from "../../core/errors.ts";
import type { FilePlace } from "../places.ts";

/** Plain data: it is cloned. */
export interface Examining {
  readonly place: FilePlace;
  /** Check everything instead of what is quick. */
  readonly full: boolean;
  /** Milliseconds after which a lock counts as held. */
  readonly wait: number;
}
export interface Found {
  readonly facts: DatabaseFacts;
  readonly locked: boolean;
}
export type Examined = Found | { readonly code: string; readonly message: string };

function examined({ place, full, wait }: Examining): Examined {
  try {
    const facts = examine(place, full);
    return { facts, locked: facts.version === SCHEMA_VERSION && isLocked(place, wait) };
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    return { code: error.code, message: error.message };
  }
}

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port has no origin
if (!isMainThread) parentPort?.postMessage(examined(workerData as Examining));
