/**
 * Writes a database of this version's schema as SQL to tests/fixtures/schema: run once for each new version, before it is released, so
 * that later ones can prove that they still read it. What is there is never made again.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { MIGRATIONS } from "../src/backends/sqlite/schema.ts";
import { defineTask, OmniQ, Schedule } from "../src/index.ts";
import { SQLiteBackend } from "../src/sqlite.ts";

const version = MIGRATIONS.length;
const target = fileURLToPath(new URL(`../tests/fixtures/schema/v${version}.sql`, import.meta.url));

const work = defineTask({
  name: "work",
  retryDelay: "1d",
  handler: ({ fails }: { fails: boolean }) => {
    // No path of the machine that made it.
    if (fails) throw Object.assign(new Error("on purpose"), { stack: "Error: on purpose\n    at work" });
    return { done: true };
  },
});

/** Claims what is in a queue for a worker of another machine that was never heard of again. */
async function holdAll(backend: SQLiteBackend, queue: string): Promise<void> {
  const process = { host: "elsewhere", boot: "b", pid: 1, started: "s", leaseMs: 12_000, concurrency: 1 };
  await backend.presence.arrive({ worker: "lost", role: "worker", ...process, queues: [queue], names: ["work"] });
  await backend.work.claim({ worker: "lost", limit: 1, of: { due: true, queues: [queue], names: ["work"], announce: true } });
}

/** One of everything: each phase, each kind of schedule. */
async function fill(folder: string): Promise<void> {
  const backend = new SQLiteBackend({ path: join(folder, "v.db") });
  const omniq = new OmniQ({ backend });
  await omniq.enqueue(work, { fails: false }, { id: "completed", tags: ["a"], label: "ends well" });
  await omniq.enqueue(work, { fails: true }, { id: "failed", maxRetries: 0 });
  await omniq.enqueue(work, { fails: true }, { id: "retrying" });
  await omniq.worker({ tasks: [work] }).drain();
  await omniq.enqueue(work, { fails: false }, { id: "ready", priority: 2, unique: { key: "k" } });
  await omniq.enqueue(work, { fails: false }, { id: "delayed", runIn: "36500d" });
  await omniq.enqueue(work, { fails: false }, { id: "blocked", dependsOn: ["ready"] });
  await omniq.enqueue(work, { fails: false }, { id: "cancelled" });
  await omniq.tasks.cancel("cancelled");
  await omniq.enqueue(work, { fails: false }, { id: "expired", queueName: "elsewhere", ttl: "1ms" });
  await new Promise((resolve) => setTimeout(resolve, 10));
  await omniq.worker({ tasks: [work], queues: ["elsewhere"] }).drain();
  await omniq.enqueue(work, { fails: false }, { id: "running", queueName: "held" });
  await holdAll(backend, "held");
  await omniq.queues.pause("idle");
  await omniq.schedule(work, { fails: false }, { id: "cron", cron: "0 3 * * *", timezone: "Europe/Berlin", maxRuns: 5 });
  await omniq.schedule(work, { fails: false }, { id: "interval", every: "1h", tags: ["s"] });
  await omniq.schedule(work, { fails: false }, { id: "timestamp", at: new Date("2100-01-01T00:00:00Z"), ttl: "1h" });
  await omniq.schedule(work, { fails: false }, { id: "paused", every: "1m" });
  await omniq.schedules.pause("paused");
  await backend.taskQueue().schedule(new Schedule({ id: "by-task", taskId: "ready", interval: "1h" }));
  await omniq.close();
}

function dump(file: string): string {
  const db = new DatabaseSync(file);
  const objects = db
    .prepare("SELECT name, type, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY rowid")
    .all();
  const lines: string[] = [];
  for (const { sql } of objects) lines.push(`${String(sql)};`);
  for (const { name, type } of objects) {
    if (type !== "table") continue;
    for (const row of db.prepare(`SELECT * FROM "${String(name)}"`).all()) {
      const values = Object.values(row).map((value) =>
        typeof value === "string" ? `'${value.replaceAll("'", "''")}'` : String(value ?? "NULL"),
      );
      lines.push(`INSERT INTO "${String(name)}" VALUES (${values.join(", ")});`);
    }
  }
  db.close();
  return `${lines.join("\n")}\n`;
}

if (existsSync(target)) throw new Error(`Expected no ${target}: a fixture of a released version stays as it is`);
const folder = mkdtempSync(join(tmpdir(), "omniq-schema-"));
await fill(folder);
writeFileSync(target, dump(join(folder, "v.db")));
rmSync(folder, { recursive: true });
