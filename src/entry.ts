/** Modules that run by themselves: threads and other processes. In the package they keep their names, whatever else is put together. */
import type { Worker as Thread, WorkerOptions } from "node:worker_threads";

const ENDING = import.meta.url.endsWith(".ts") ? "ts" : "js";

/** The root of the sources, or of what is made of them: this file lies in it, and so does the chunk that holds it. */
const ROOT = new URL("./", import.meta.url);

/** Where such a module lies. @param name its path below the root, without the ending. */
export function entry(name: string): URL {
  return new URL(`${name}.${ENDING}`, ROOT);
}

/**
 * Begins such a module as a thread. A program that was given as a text (`node --input-type=module -e …`) would hand that flag on, and Node
 * refuses a file beside it.
 */
export function startThread(name: string, options: WorkerOptions): Thread {
  const { Worker } = process.getBuiltinModule("node:worker_threads");
  const isText = process.execArgv.some((flag) => flag.startsWith("--input-type"));
  return new Worker(entry(name), isText ? { ...options, execArgv: [] } : options);
}
