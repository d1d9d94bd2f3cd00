/** The thread on which `omniq doctor` examines a file: it may take minutes, and signals are heard meanwhile. */
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import { examine } from "../../backends/sqlite/examine.ts";
import type { DatabaseFacts } from "../../backends/sqlite/examine.ts";
import { StorageError } from "../../core/errors.ts";
import type { FilePlace } from "../places.ts";

/** Plain data: it is cloned. */
export interface Examining {
  readonly place: FilePlace;
  readonly full: boolean;
}
export type Examined = { readonly facts: DatabaseFacts } | { readonly code: string; readonly message: string };

function examined({ place, full }: Examining): Examined {
  try {
    return { facts: examine(place, full) };
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    return { code: error.code, message: error.message };
  }
}

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port has no origin
if (!isMainThread) parentPort?.postMessage(examined(workerData as Examining));
