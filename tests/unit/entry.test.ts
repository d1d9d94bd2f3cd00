/** Threads of OmniQ in programs that are started in other ways than from a file. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const run = promisify(execFile);
const source = (name: string): string => JSON.stringify(new URL(`../../src/${name}`, import.meta.url).href);

test("a program that was given as a text has a backup, and somebody who beats while its thread is blocked", async () => {
  const folder = mkdtempSync(join(tmpdir(), "omniq-entry-"));
  const program = `
    import { SQLiteBackend } from ${source("sqlite.ts")};
    const backend = new SQLiteBackend({ path: "a.db" });
    await backend.open();
    const { tasks } = await backend.backup("b.db");
    await backend.presence.arrive({ worker: "w", role: "worker", host: "h", boot: "b", pid: 1, started: "s", leaseMs: 200,
      queues: [], names: [], concurrency: 1 });
    const deputy = backend.deputy("w", 200);
    const until = performance.now() + 9_000;
    while (deputy.beatAgo() === undefined && performance.now() < until) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
    console.log(JSON.stringify([tasks, deputy.beatAgo() !== undefined]));
    await deputy.stop();
    await backend.close();`;
  try {
    const { stdout, stderr } = await run(process.execPath, ["--input-type=module", "-e", program], { cwd: folder });
    expect([stdout, stderr]).toEqual(["[0,true]\n", ""]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
