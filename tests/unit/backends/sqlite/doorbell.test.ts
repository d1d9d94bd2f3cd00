import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Doorbell } from "../../../../src/backends/sqlite/doorbell.ts";

test("a commit that can be seen only some looks after its frames were written rings, without the poll", async () => {
  const folder = mkdtempSync(join(tmpdir(), "omniq-"));
  const walPath = join(folder, "x.db-wal");
  writeFileSync(walPath, "");
  let looks = 0;
  let doorbell: Doorbell | undefined;
  const rung = new Promise<void>((resolve) => {
    doorbell = new Doorbell({
      walPath,
      // The poll never comes.
      clock: { now: () => 0, monotonic: () => 0, after: () => () => {} },
      version: () => (looks++ < 5 ? 1 : 2),
      onRing: resolve,
    });
  });
  doorbell?.start();
  appendFileSync(walPath, "frames");
  await rung;
  doorbell?.stop();
  rmSync(folder, { recursive: true });
  expect(looks).toBe(6);
});
