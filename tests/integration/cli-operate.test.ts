/** `migrate`, `health`, `cleanup`, `backup` and `doctor` as people use them: as processes of their own. */
import { spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { SCHEMA_VERSION } from "../../src/backends/sqlite/examine.ts";
import { defineTask, OmniQ } from "../../src/index.ts";
import { runCli, startCli } from "../fixtures/cli-process.ts";
import { until } from "../fixtures/helpers.ts";

const WRITER = fileURLToPath(new URL("../fixtures/writer-process.ts", import.meta.url));
const echo = defineTask({ name: "echo", handler: ({ n }: { n: number }) => n });

let dir = "";
let file = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "omniq-operate-"));
  file = join(dir, "omniq_data/omniq.db");
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

const cli = (...args: readonly string[]) => runCli(args, { cwd: dir });
const open = (): OmniQ => new OmniQ({ baseDir: join(dir, "omniq_data") });
async function withShop(work: (omniq: OmniQ) => Promise<unknown>): Promise<void> {
  const omniq = open();
  await work(omniq);
  await omniq.close();
}
function sql(text: string, path = file): readonly Record<string, unknown>[] {
  const database = new DatabaseSync(path);
  try {
    return text.startsWith("SELECT") || text.startsWith("PRAGMA integrity") ? database.prepare(text).all() : (database.exec(text), []);
  } finally {
    database.close();
  }
}
interface Finding {
  readonly check: string;
  readonly severity: string;
  readonly text: string;
  readonly remedy?: string;
}
async function doctor(...args: readonly string[]) {
  const { code, stdout, stderr } = await cli("doctor", "--json", ...args);
  expect(stderr).toBe("");
  const { findings, problems, warnings } = JSON.parse(stdout) as { findings: readonly Finding[]; problems: number; warnings: number };
  const wrong = findings.filter(({ severity }) => severity === "problem" || severity === "warning");
  return { code, problems, warnings, findings, wrong: wrong.map(({ check, severity }) => `${severity} ${check}`) };
}

describe("migrate", { tags: ["slow"] }, () => {
  test("tells, makes what is missing, and then changes nothing", async () => {
    expect(await cli("migrate", "--check")).toEqual({ code: 1, stdout: `${file} is not there yet: omniq migrate makes it.\n`, stderr: "" });
    expect(existsSync(file)).toBe(false);
    expect(await cli("migrate")).toEqual({ code: 0, stdout: `${file} was made (schema version ${SCHEMA_VERSION}).\n`, stderr: "" });
    expect(await cli("migrate", "--check", "--json")).toEqual({
      code: 0,
      stdout: `${JSON.stringify({ file, from: SCHEMA_VERSION, to: SCHEMA_VERSION, current: true })}\n`,
      stderr: "",
    });
    const before = readFileSync(file);
    expect((await cli("migrate")).code).toBe(0);
    expect(readFileSync(file).equals(before)).toBe(true);
  });

  test("brings a database of the first version up to date, and nothing else does", async () => {
    mkdirSync(dirname(file), { recursive: true });
    sql(readFileSync(new URL("../fixtures/schema/v1.sql", import.meta.url), "utf8"));
    expect((await cli("stats")).stderr).toContain("(SCHEMA_TOO_OLD)");
    const check = await cli("migrate", "--check", "--json");
    expect([check.code, JSON.parse(check.stdout)]).toEqual([1, { file, from: 1, to: SCHEMA_VERSION, current: false }]);
    expect((await cli("migrate")).stdout).toMatch(new RegExp(`from .*1 to .*${SCHEMA_VERSION}`));
    expect((await cli("migrate", "--check")).code).toBe(0);
    expect((await cli("schedules", "show", "interval")).stdout).toContain("missed ones  latest");
  });

  test("refuses what is newer, and what is none of ours", async () => {
    await withShop((omniq) => omniq.open());
    sql("UPDATE omniq_meta SET value = 99 WHERE key = 'schema_version'");
    for (const args of [["migrate"], ["migrate", "--check"]]) expect((await cli(...args)).stderr).toContain("SCHEMA_TOO_NEW");
    writeFileSync(join(dir, "text.db"), "text and nothing but text\n".repeat(100));
    expect(await cli("migrate", "--url", "sqlite:text.db")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("NOT_A_DATABASE") as string,
    });
  });
});

describe("health", { tags: ["slow"] }, () => {
  test("is 0 where it can be read and written, and asks for a live worker where that is wanted", async () => {
    expect(await cli("health")).toEqual({ code: 1, stdout: `unhealthy: there is no database at ${file}\n`, stderr: "" });
    const omniq = open();
    await omniq.open();
    expect(await cli("health")).toEqual({ code: 0, stdout: `healthy: ${file}, 0 live workers\n`, stderr: "" });
    expect(await cli("health", "--worker")).toMatchObject({ code: 1, stdout: "unhealthy: no live worker\n" });
    await omniq.worker({ tasks: [echo] }).start();
    expect(JSON.parse((await cli("health", "--worker", "--json")).stdout)).toEqual({
      healthy: true,
      reason: null,
      database: file,
      workers: 1,
    });
    await omniq.close();
  });

  test("is 1 where it is locked, newer, hollow or no database", async () => {
    await withShop((omniq) => omniq.open());
    const holder = new DatabaseSync(file);
    holder.exec("BEGIN IMMEDIATE");
    writeFileSync(join(dir, "omniq.yaml"), "taskQueue:\n  config:\n    busyTimeout: 50ms\n");
    expect((await cli("health")).stdout).toContain("held its lock");
    holder.exec("ROLLBACK; UPDATE omniq_meta SET value = 99 WHERE key = 'schema_version'");
    holder.close();
    expect((await cli("health")).stdout).toContain(`has schema version 99, and this version of OmniQ works with ${SCHEMA_VERSION}`);
    truncateSync(file);
    writeFileSync(`${file}-wal`, "commits");
    expect((await cli("health")).stdout).toContain("the WAL beside it is not");
    expect((await cli("stats")).stderr).toMatch(/would delete what the WAL holds.* \(STORAGE_CORRUPT\)$/m);
    expect(statSync(`${file}-wal`).size).toBe(7);
    writeFileSync(join(dir, "foreign.db"), "");
    sql("CREATE TABLE a (b)", join(dir, "foreign.db"));
    expect(await cli("health", "--url", "sqlite:foreign.db")).toMatchObject({
      code: 1,
      stdout: expect.stringContaining("is no database of OmniQ") as string,
    });
  });
});

describe("cleanup", { tags: ["slow"] }, () => {
  test("takes away what is past its time, and says how much", async () => {
    await withShop(async (omniq) => {
      await omniq.enqueueMany([1, 2, 3].map((n) => echo.with({ n })));
      await omniq.worker({ tasks: [echo] }).drain();
    });
    expect((await cli("cleanup")).stdout).toMatch(/^Took away 0 ended tasks, 0 results and 0 events past their time in /);
    writeFileSync(join(dir, "omniq.yaml"), "retention:\n  completed: 1\n  events: 1\n");
    expect(JSON.parse((await cli("cleanup", "--json")).stdout)).toEqual({
      tasks: { completed: 3, failed: 0, cancelled: 0, expired: 0 },
      results: 0,
      events: 9,
    });
  });
});

describe("backup", { tags: ["slow"] }, () => {
  test("of several files refuses before it writes the first", async () => {
    const env = { OMNIQ_RESULT_STORAGE_URL: `sqlite:${join(dir, "results.db")}` };
    expect((await runCli(["migrate"], { cwd: dir, env })).code).toBe(0);
    writeFileSync(join(dir, "b.results.db"), "yesterday's");
    const refused = await runCli(["backup", "b.db"], { cwd: dir, env });
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("(BACKUP_REFUSED)");
    expect(existsSync(join(dir, "b.db"))).toBe(false);
    expect((await runCli(["backup", "b.db", "--force"], { cwd: dir, env })).code).toBe(0);
  });

  test("while others write holds all that was acknowledged before it began, and is a database itself", { timeout: 120_000 }, async () => {
    await withShop((omniq) => omniq.open());
    const writers = Array.from({ length: 8 }, () =>
      spawn(process.execPath, [WRITER, join(dir, "omniq_data")], { stdio: ["ignore", "pipe", "inherit"] }),
    );
    const acknowledged: string[] = [];
    for (const { stdout } of writers) {
      let rest = "";
      stdout.on("data", (chunk: Buffer) => {
        const lines = (rest + chunk.toString()).split("\n");
        rest = lines.pop() ?? "";
        acknowledged.push(...lines);
      });
    }
    try {
      await until(() => acknowledged.length > 100, 60_000);
      const before = [...acknowledged];
      const { code, stdout } = await cli("backup", "copy.db", "--json");
      const after = acknowledged.length;
      expect(code).toBe(0);
      // They went on meanwhile.
      expect(after).toBeGreaterThan(before.length);
      const copy = join(dir, "copy.db");
      const ids = new Set(sql("SELECT id FROM tasks", copy).map(({ id }) => id));
      expect(before.filter((id) => !ids.has(id))).toEqual([]);
      expect(JSON.parse(stdout)).toMatchObject({ file: copy, tasks: ids.size, bytes: statSync(copy).size });
      expect(sql("PRAGMA integrity_check", copy)).toEqual([{ integrity_check: "ok" }]);
      expect(statSync(copy).mode & 0o777).toBe(0o600);
      expect(readdirSync(dir).toSorted()).toEqual(["copy.db", "omniq_data"]);
      const restored = new OmniQ({ url: `sqlite:${copy}` });
      const worker = restored.worker({ tasks: [defineTask({ name: "written", handler: () => 1 })], concurrency: 100 });
      await worker.drain();
      expect((await restored.stats()).tasks).toMatchObject({ completed: ids.size, ready: 0 });
      await restored.close();
    } finally {
      for (const writer of writers) writer.kill("SIGKILL");
    }
  });

  test("refuses what is there, the database itself, and a WAL of another one; leaves nothing behind", async () => {
    await withShop((omniq) => omniq.enqueue(echo, { n: 1 }));
    writeFileSync(join(dir, "there.db"), "precious");
    mkdirSync(join(dir, "folder"));
    writeFileSync(join(dir, "old.db-wal"), "");
    for (const target of ["there.db", "folder", "omniq_data/omniq.db", "omniq_data/omniq.db-wal", "none/x.db", "old.db"]) {
      expect(await cli("backup", target)).toMatchObject({
        code: 1,
        stdout: "",
        stderr: expect.stringContaining("BACKUP_REFUSED") as string,
      });
    }
    expect((await cli("backup", "omniq_data/omniq.db", "--force")).stderr).toContain("belongs to the database itself");
    expect(readFileSync(join(dir, "there.db"), "utf8")).toBe("precious");
    expect((await cli("backup", "there.db", "--force")).stdout).toMatch(/there\.db: 1 task, .* checked, in /);
    expect(sql("SELECT count(*) AS n FROM tasks", join(dir, "there.db"))).toEqual([{ n: 1 }]);
    expect(readdirSync(dir).filter((name) => name.includes("partial"))).toEqual([]);
    expect((await cli("backup", "b.db", "--project", "none")).stderr).toContain("STORAGE_NOT_FOUND");
  });

  test("copies results and events that lie in files of their own", async () => {
    writeFileSync(
      join(dir, "omniq.yaml"),
      "resultStore:\n  config:\n    url: sqlite:./r.db\neventStore:\n  config:\n    url: sqlite:./e.db\n",
    );
    await cli("migrate");
    const { code, stdout } = await cli("backup", "copy.db");
    expect(code).toBe(0);
    expect(stdout.split("\n").map((line) => line.split(",")[0])).toEqual([
      `${join(dir, "copy.db")}: 0 tasks`,
      `${join(dir, "copy.results.db")}: results`,
      `${join(dir, "copy.events.db")}: events`,
      "",
    ]);
  });

  test("of a damaged database is refused, and leaves nothing behind", async () => {
    await withShop((omniq) => omniq.enqueueMany(Array.from({ length: 500 }, (_, n) => echo.with({ n }))));
    const bytes = readFileSync(file);
    // Its tables, not its schema: that is found only on the way.
    bytes.fill(0xff, bytes.length - 40_960);
    writeFileSync(file, bytes);
    const { code, stderr } = await cli("backup", "copy.db");
    expect(code).toBe(1);
    expect(stderr).toMatch(/STORAGE_CORRUPT|NOT_A_DATABASE/);
    expect(readdirSync(dir)).toEqual(["omniq_data"]);
  });

  test.each(["SIGINT", "SIGTERM"] as const)(
    "that is interrupted by %s ends at once, as 130 to a shell, and leaves nothing behind",
    async (signal) => {
      await withShop(async (omniq) => {
        for (let i = 0; i < 20; i++)
          await omniq.enqueueMany(Array.from({ length: 1_000 }, () => echo.with({ n: 1 }, { description: "x".repeat(2_000) })));
      });
      const backup = startCli(["backup", "copy.db"], { cwd: dir });
      await until(() => readdirSync(dir).some((name) => name.endsWith(".partial")));
      backup.child.kill(signal);
      expect(await backup.ended).toEqual({ code: null, signal: "SIGINT" });
      expect(readdirSync(dir)).toEqual(["omniq_data"]);
    },
  );
});

describe("doctor", { tags: ["slow"] }, () => {
  test("finds nothing wrong with what is well: 0", async () => {
    await withShop((omniq) => omniq.open());
    expect(await doctor("--full")).toMatchObject({ code: 0, problems: 0, wrong: [] });
    expect((await cli("doctor")).stdout).toMatch(/\nNothing is wrong\.\n$/);
  });

  test("does what it can where there is no database, none of ours, a newer, a hollow or a broken one: 1", async () => {
    expect(await doctor()).toMatchObject({ code: 1, wrong: ["problem file"] });
    await withShop((omniq) => omniq.enqueueMany(Array.from({ length: 500 }, (_, n) => echo.with({ n }))));
    sql("UPDATE omniq_meta SET value = 99 WHERE key = 'schema_version'");
    expect(await doctor()).toMatchObject({ code: 1, wrong: ["problem schema"] });
    sql(`UPDATE omniq_meta SET value = ${SCHEMA_VERSION} WHERE key = 'schema_version'`);
    const bytes = readFileSync(file);
    bytes.fill(0xff, 8_192, bytes.length - 4_096);
    writeFileSync(file, bytes);
    const broken = await doctor();
    expect(broken).toMatchObject({ code: 1, problems: expect.any(Number) as number });
    expect(broken.wrong.some((each) => /^problem (?:integrity|database)$/.test(each))).toBe(true);
    truncateSync(file);
    writeFileSync(`${file}-wal`, "commits");
    expect(await doctor()).toMatchObject({ code: 1, wrong: ["problem file"] });
    expect(statSync(`${file}-wal`).size).toBe(7);
    writeFileSync(join(dir, "text.db"), "text and nothing but text\n".repeat(100));
    expect((await doctor("--url", "sqlite:text.db")).wrong).toEqual(["warning permissions", "problem database"]);
    mkdirSync(join(dir, "a.db"));
    expect((await doctor("--url", "sqlite:a.db")).wrong).toEqual(["problem file"]);
    expect((await doctor("--url", "sqlite::memory:")).code).toBe(0);
  });

  test("tells of a hard link, and what would work on such a file is refused", async () => {
    await withShop((omniq) => omniq.open());
    linkSync(file, join(dir, "second.db"));
    expect(await doctor()).toMatchObject({ code: 1, wrong: expect.arrayContaining(["problem names"]) as unknown });
    const health = await cli("health");
    expect([health.code, health.stdout]).toEqual([1, expect.stringMatching(/^unhealthy: .*a hard link/)]);
    for (const name of [file, "second.db"]) expect((await cli("stats", "--url", `sqlite:${name}`)).stderr).toContain("(STORAGE_TWO_NAMES)");
    expect(readdirSync(dir).filter((name) => name.startsWith("second"))).toEqual(["second.db"]);
  });

  test("sees what was changed by hand", async () => {
    await withShop((omniq) => omniq.open());
    sql(
      "DROP INDEX idx_events_timestamp; CREATE INDEX mine ON tasks(name); ALTER TABLE queues ADD COLUMN more TEXT; CREATE TABLE yours (a)",
    );
    const { code, findings } = await doctor();
    expect(code).toBe(1);
    const drift = findings.filter(({ check }) => check === "drift").map(({ severity, text }) => `${severity} ${text}`);
    expect(drift).toEqual([
      "problem Missing from the schema: index idx_events_timestamp",
      "problem Not as this version makes it: table queues",
      "warning Not made by OmniQ, on its tables: index mine",
    ]);
  });

  test("sees who else may read the file, and a WAL that nobody moves", async () => {
    await withShop((omniq) => omniq.open());
    chmodSync(file, 0o644);
    const { code, wrong } = await doctor();
    expect({ code, wrong }).toEqual({ code: 0, wrong: ["warning permissions"] });
    chmodSync(file, 0o600);
    const reader = new DatabaseSync(file);
    reader.exec("BEGIN");
    reader.prepare("SELECT count(*) FROM tasks").get();
    await withShop(async (omniq) => {
      for (let i = 0; i < 40; i++)
        await omniq.enqueueMany(Array.from({ length: 100 }, () => echo.with({ n: 1 }, { description: "x".repeat(9_000) })));
    });
    // A paused queue, so that only the WAL is looked at.
    await withShop((omniq) => omniq.queues.pause("default"));
    expect((await doctor()).wrong).toEqual(["warning checkpoint", "warning queues.paused"]);
    reader.close();
  });

  test("sees a lock that somebody holds, and changes nothing of it", async () => {
    await withShop((omniq) => omniq.queues.pause("default"));
    const bytes = readFileSync(file);
    const writer = new DatabaseSync(file);
    writer.exec("BEGIN IMMEDIATE");
    writeFileSync(join(dir, "omniq.yaml"), "taskQueue:\n  type: sqlite\n  config:\n    busyTimeout: 1ms\n");
    const { code, wrong } = await doctor();
    expect({ code, wrong }).toEqual({ code: 1, wrong: ["problem lock"] });
    writer.exec("ROLLBACK");
    expect((await doctor()).wrong).toEqual([]);
    writer.close();
    expect(readFileSync(file).equals(bytes)).toBe(true);
  });

  test("sees late schedules, queues without workers, and silent workers with tasks", async () => {
    await withShop(async (omniq) => {
      await omniq.enqueue(echo, { n: 1 }, { queueName: "lonely" });
      await omniq.schedule(echo, { n: 1 }, { id: "late", every: "1h" });
    });
    sql("UPDATE schedules SET next_run_at = next_run_at - 7200000");
    expect((await doctor()).wrong).toEqual(["warning schedules.late", "warning queues.no-worker"]);
    sql(`INSERT INTO workers(id, beat, role, host, boot, pid, started, lease_ms, queues, names, concurrency, arrived_at, seen_at)
      VALUES ('gone', 1, 'worker', 'h', 'b', 1, '', 1000, '["lonely"]', '["echo"]', 1, 0, 0);
      UPDATE tasks SET stage = 4, status = 'running', worker = (SELECT rid FROM workers WHERE id = 'gone')`);
    const { wrong, findings } = await doctor();
    expect(wrong).toEqual(["warning workers.silent", "warning schedules.late"]);
    expect(findings.find(({ check }) => check === "workers.silent")?.text).toContain("holds 1 task");
  });

  test("sees that the folder's programs import another version", async () => {
    await withShop((omniq) => omniq.open());
    mkdirSync(join(dir, "node_modules/omniq"), { recursive: true });
    writeFileSync(join(dir, "node_modules/omniq/package.json"), JSON.stringify({ name: "omniq", version: "0.0.9" }));
    expect(await doctor()).toMatchObject({ code: 0, wrong: ["warning versions"] });
  });

  test("a mistake in the configuration is a finding", async () => {
    writeFileSync(join(dir, "omniq.yaml"), "projctName: x\nworker:\n  config:\n    maxWorkers: many\n");
    const { code, findings } = await doctor();
    expect(code).toBe(1);
    expect(findings.filter(({ check }) => check === "configuration").map(({ text }) => /omniq\.yaml:\d/.exec(text)?.[0])).toEqual([
      "omniq.yaml:1",
      "omniq.yaml:4",
    ]);
  });
});
