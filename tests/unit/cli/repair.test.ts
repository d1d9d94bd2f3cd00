/** `omniq doctor --repair` and `--salvage`, as they ask and answer. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { stripVTControlCharacters } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { execute } from "../../../src/cli/main.ts";
import { defineTask, OmniQ } from "../../../src/index.ts";
import { fakeTerminal } from "./fake-terminal.ts";

const echo = defineTask({ name: "echo", handler: ({ n }: { n: number }) => n });

let dir = "";
let file = "";
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "omniq-repair-cli-"));
  file = join(dir, "omniq.db");
  const omniq = new OmniQ({ baseDir: dir });
  await omniq.enqueueMany(Array.from({ length: 300 }, (_, n) => echo.with({ n }, { id: `t-${n}` })));
  await omniq.close();
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

async function said(argv: readonly string[], typed?: string): Promise<{ readonly code: number; readonly lines: readonly string[] }> {
  const fake = fakeTerminal(typed === undefined ? {} : { columns: 200, typed });
  const code = await execute(["doctor", ...argv, "--base-dir", dir], fake.terminal);
  return { code, lines: fake.lines().map((line) => stripVTControlCharacters(line)) };
}
function sql(text: string): void {
  const db = new DatabaseSync(file);
  db.exec(text);
  db.close();
}
function destroy(): void {
  const db = new DatabaseSync(file);
  const page = Number(
    db.prepare("SELECT pageno FROM dbstat WHERE name = 'tasks' AND pagetype = 'leaf' ORDER BY path").all()[2]?.["pageno"],
  );
  db.close();
  const bytes = readFileSync(file);
  bytes.fill(0xff, (page - 1) * 4_096, page * 4_096);
  writeFileSync(file, bytes);
}
const backups = (): readonly string[] => readdirSync(dir).filter((name) => name.includes("before-repair"));
const BROKEN = "DROP INDEX idx_tasks_queue_status; UPDATE tasks SET stage = 6 WHERE id IN ('t-1', 't-2')";
const WOULD = [
  "The index idx_tasks_queue_status, which is missing, is made again",
  "2 tasks: lie among the ended, though they have not ended; they become due again",
];

describe("repair", () => {
  test("says what it would do, asks, keeps what was before, and does it", async () => {
    sql(BROKEN);
    expect(await said(["--repair", "--dry-run"])).toEqual({ code: 0, lines: WOULD });
    const unasked = await said(["--repair"]);
    expect(unasked.code).toBe(2);
    expect((await said(["--repair"], "n\n")).lines.at(-1)).toBe("Nothing was done.");
    expect(backups()).toEqual([]);
    const { code, lines } = await said(["--repair"], "y\n");
    expect(code).toBe(0);
    expect(lines.slice(0, 2)).toEqual(WOULD);
    expect(lines.at(-1)).toMatch(/is repaired, and whole\. What it was before: .*omniq\.before-repair-\d{8}T\d{6}\.db/);
    const [backup = ""] = backups();
    const before = new DatabaseSync(join(dir, backup));
    expect(before.prepare("SELECT count(*) AS n FROM tasks WHERE stage = 6").get()).toEqual({ n: 2 });
    before.close();
    expect(await said(["--repair"])).toEqual({ code: 0, lines: [`${file}: there is nothing to repair.`] });
  });

  test("answers as JSON, and asks nobody with --yes", async () => {
    sql(BROKEN);
    const { code, lines } = await said(["--repair", "--yes", "--json"]);
    expect(code).toBe(0);
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
      { file, repairs: WOULD, beyond: [], done: true, backup: join(dir, backups()[0] ?? "") },
    ]);
  });

  test("leaves a table that is damaged alone, and says what saves it", async () => {
    sql(BROKEN);
    destroy();
    const { code, lines } = await said(["--repair", "--yes"]);
    expect(code).toBe(1);
    expect(lines.at(-1)).toMatch(/damaged where no repair helps: .* omniq doctor --salvage FILE saves/);
    expect(backups()).toEqual([]);
  });

  test.each<[argv: readonly string[], code: number, why: string]>([
    [["--url", "sqlite::memory:"], 1, "STORAGE_NOT_FOUND"],
    [["--url", "postgres://host/db"], 2, "Expected a database in a file"],
    [["--salvage", "saved.db"], 2, "--repair or --salvage"],
    [["--project", "other"], 1, "STORAGE_NOT_FOUND"],
  ])("is refused with %j: %d", async (argv, code, why) => {
    const fake = fakeTerminal();
    expect(await execute(["doctor", "--repair", ...argv], fake.terminal)).toBe(code);
    expect(fake.lines().join("\n")).toContain(why);
  });
});

describe("salvage", () => {
  test("tells what it saved and what not, and leaves the database as it is", async () => {
    destroy();
    const before = readFileSync(file);
    const target = join(dir, "saved.db");
    const { code, lines } = await said(["--salvage", target]);
    expect(code).toBe(1);
    expect(lines.find((line) => line.startsWith("tasks: "))).toMatch(
      /^tasks: 2\d\d rows, \d+ lost \(\d+, .*, …\), from a table with pages that cannot be read/,
    );
    expect(lines.find((line) => line.startsWith("events: "))).toBe("events: 300 rows");
    expect(existsSync(target)).toBe(true);
    expect(readFileSync(file)).toEqual(before);
    const again = await said(["--salvage", target]);
    expect([again.code, again.lines.join("\n")]).toEqual([1, expect.stringContaining("BACKUP_REFUSED")]);
  });

  test("is what doctor names for a file that was cut off", async () => {
    truncateSync(file, statSync(file).size - 5 * 4_096);
    const { code, lines } = await said([]);
    expect([code, lines.join("\n")]).toEqual([1, expect.stringMatching(/STORAGE_CORRUPT[^]*keep the file[^]*omniq doctor --salvage FILE/)]);
    const saved = await said(["--salvage", join(dir, "saved.db")]);
    expect(saved.lines.find((line) => line.startsWith("tasks: "))).toMatch(/^tasks: [1-9]\d* rows/);
  });

  test("of a whole one is 0, also as JSON", async () => {
    const { code, lines } = await said(["--salvage", join(dir, "saved.db"), "--json"]);
    expect(code).toBe(0);
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({ from: file, file: join(dir, "saved.db"), tables: expect.any(Array) as unknown });
  });
});

test("a full look tells of rows that do not fit, and of payloads that have changed", async () => {
  sql("UPDATE tasks SET stage = 6 WHERE id = 't-1'; UPDATE tasks SET checksum = ~checksum WHERE id = 't-2'");
  expect((await said([])).code).toBe(0);
  const { code, lines } = await said(["--full", "--json"]);
  expect(code).toBe(1);
  const { findings } = JSON.parse(lines[0] ?? "") as { findings: readonly { check: string; text: string }[] };
  expect(findings.filter(({ check }) => check === "rows" || check === "payloads").map(({ text }) => text)).toEqual([
    "1 task: lie among the ended, though they have not ended",
    "Not what was written, by its checksum: task t-2",
  ]);
});
