import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { failsAtFirst, handlers } from "../../../src/cli/demo/handlers.ts";
import { saveReport } from "../../../src/cli/demo/report.ts";
import { OmniQ } from "../../../src/index.ts";

let dir = "";
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "omniq-handlers-"));
});
afterAll(() => {
  rmSync(dir, { recursive: true });
});

describe("the demo's handlers", () => {
  test("a long file is counted in pieces and tells how far it is; a failing one is tried again; one that is gone is not", async () => {
    const failing = Array.from({ length: 2_000 }, (_, i) => `f${i}.md`).find((file) => failsAtFirst(file)) ?? "";
    writeFileSync(join(dir, "long.md"), "some words in a line\n".repeat(40_000));
    writeFileSync(join(dir, failing), "one two");
    const omniq = new OmniQ({ url: "sqlite::memory:" });
    const [count, report] = handlers({ pace: 1, reportPath: join(dir, "report.md") });
    const worker = omniq.worker({ tasks: [count, report] });
    await worker.start();
    const handles = await omniq.enqueueMany([
      count.with({ folder: dir, file: "long.md" }),
      count.with({ folder: dir, file: failing }, { retryDelay: 0 }),
      count.with({ folder: dir, file: "gone.md" }),
    ]);
    const summary = await omniq.enqueue(report, { run: 1, folder: dir }, { dependsOn: handles.map((on) => ({ on, ifFailed: "run" })) });
    expect(await summary.result()).toMatchObject({ files: 2, failed: 1, words: 200_002, bytes: 840_007 });
    expect(await handles[0].result()).toMatchObject({
      words: 200_000,
      top: [
        ["line", 40_000],
        ["some", 40_000],
        ["words", 40_000],
      ],
    });
    expect((await handles[0].events()).some(({ eventType }) => eventType === "progress")).toBe(true);
    expect((await handles[1].get())?.retryCount).toBe(1);
    await expect(handles[2].result()).rejects.toThrow("the file is gone");
    expect((await handles[2].get())?.retryCount).toBe(0);
    await omniq.close();
  });

  test("a report is a table even where names hold its signs", async () => {
    const path = join(dir, "odd.md");
    await saveReport(path, { run: 7, folder: "/a" }, [
      { taskId: "x", status: "completed", result: { file: "a|b.md", bytes: 1, words: 1, top: [["word", 1]] }, error: undefined },
      { taskId: "y", status: "failed", result: undefined, error: "Error: no" },
    ]);
    const text = readFileSync(path, "utf8");
    expect(text).toContain(String.raw`| a\|b.md | 1 | 1 |`);
    expect(text).toContain("Run 7: 1 word in 1 file (1 bytes); 1 could not be read.");
  });
});
