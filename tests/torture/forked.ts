/** A script of the torture as a process of its own, which can be talked with. */
import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Node's own place for what it has compiled: half of a start, once for all. */
const COMPILED = join(tmpdir(), "node-compile-cache");

/** @param options its only argument, as JSON. */
export function forked(script: string, options: object): ChildProcess {
  const env = { ...process.env, NODE_COMPILE_CACHE: COMPILED };
  return fork(script, [JSON.stringify(options)], { execArgv: [], env, stdio: ["ignore", "ignore", "inherit", "ipc"] });
}
