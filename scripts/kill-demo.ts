/**
 * Kills the demo at random moments (`kill -9`), starts it again, and looks into its database after each death.
 *
 *     node scripts/kill-demo.ts [times = 20] [folder = node_modules]
 *
 * Prints how many tasks were lost or settled twice and whether the file is sound; exits with 1 if anything is wrong.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const BIN = fileURLToPath(new URL("../src/cli/bin.ts", import.meta.url));
const FINAL = "('completed', 'failed', 'cancelled', 'expired')";

/** What one look into the database of a demo found. */
export interface Findings {
  /** Ids of tasks with more than one final event. */
  readonly settledTwice: readonly string[];
  /** Ids of tasks that have ended without a final event or, completed, without a result; or the other way round. */
  readonly torn: readonly string[];
  /** `ok`, or what is wrong with the file. */
  readonly integrity: string;
  /** Each task with its status, and its fence if it has ended. */
  readonly tasks: ReadonlyMap<string, { readonly status: string; readonly fence: number }>;
  readonly open: number;
}

/** Looks into a database without changing it: what its last process left in the WAL stays there. `undefined` while it has no tables. */
export function inspect(path: string): Findings | undefined {
  if (!existsSync(path) || statSync(path).size === 0) return undefined;
  const db = new DatabaseSync(path, { readOnly: true, timeout: 5_000 });
  try {
    const texts = (sql: string): readonly string[] =>
      db
        .prepare(sql)
        .all()
        .map((row) => String(Object.values(row)[0]));
    if (texts("SELECT name FROM sqlite_schema WHERE name = 'tasks'").length === 0) return undefined;
    const settledTwice = texts(`SELECT task_id FROM events WHERE event_type IN ${FINAL} GROUP BY task_id HAVING count(*) > 1`);
    const torn = texts(
      `SELECT t.id FROM tasks t WHERE
         (t.stage = 6) <> EXISTS (SELECT 1 FROM events e WHERE e.task_id = t.id AND e.event_type IN ${FINAL})
         OR (t.stage = 6 AND t.status = 'completed') <> EXISTS (SELECT 1 FROM results r WHERE r.task_id = t.id AND r.status = 'completed')`,
    );
    const rows = db.prepare("SELECT id, status, fence, stage FROM tasks").all();
    const tasks = new Map(rows.map((row) => [String(row["id"]), { status: String(row["status"]), fence: Number(row["fence"]) }]));
    const open = rows.filter((row) => row["stage"] !== 6).length;
    return { settledTwice, torn, integrity: texts("PRAGMA integrity_check").join("; "), tasks, open };
  } finally {
    db.close();
  }
}

/** Ids of tasks that were there before and are not, or had ended and have been ended again. */
export function lostSince(before: Findings, now: Findings): readonly string[] {
  return [...before.tasks].flatMap(([id, { status, fence }]) => {
    const task = now.tasks.get(id);
    const changed = status === "completed" && (task?.status !== status || task.fence !== fence);
    return task === undefined || changed ? [id] : [];
  });
}

export interface KillOptions {
  readonly folder: string;
  readonly baseDir: string;
  readonly args?: readonly string[];
}

/** Starts the demo and kills it after so many milliseconds; whether it was still alive then. Without a time it runs to its end. */
export async function runDemo(
  { folder, baseDir, args = [] }: KillOptions,
  killAfter?: number,
): Promise<{ readonly killed: boolean; readonly code: number | null; readonly errors: string }> {
  const child = spawn(process.execPath, [BIN, "demo", folder, "--base-dir", baseDir, "--json", ...args], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  const ended = new Promise<{ code: number | null; signal: string | null }>((done) => {
    child.on("close", (code, signal) => {
      done({ code, signal });
    });
  });
  const ac = new AbortController();
  if (killAfter !== undefined) {
    setTimeout(killAfter, undefined, { signal: ac.signal }).then(
      () => child.kill("SIGKILL"),
      () => false,
    );
  }
  const { code, signal } = await ended;
  ac.abort();
  return { killed: signal === "SIGKILL", code, errors };
}

/** How long a whole run takes, in milliseconds. */
async function lifetimeOf(folder: string): Promise<number> {
  const baseDir = mkdtempSync(join(tmpdir(), "omniq-kill-demo-"));
  const began = performance.now();
  await runDemo({ folder, baseDir });
  rmSync(baseDir, { recursive: true });
  return Math.round(performance.now() - began);
}

async function main(): Promise<void> {
  const times = Number(process.argv[2] ?? 20);
  const folder = resolve(process.argv[3] ?? "node_modules");
  const baseDir = mkdtempSync(join(tmpdir(), "omniq-kill-demo-"));
  const path = join(baseDir, "demo.db");
  const lost = new Set<string>();
  const twice = new Set<string>();
  const torn = new Set<string>();
  const unsound: string[] = [];
  let before: Findings | undefined;
  const look = (label: string): void => {
    const now = inspect(path);
    if (now === undefined) return;
    for (const id of before === undefined ? [] : lostSince(before, now)) lost.add(id);
    for (const id of now.settledTwice) twice.add(id);
    for (const id of now.torn) torn.add(id);
    if (now.integrity !== "ok") unsound.push(now.integrity);
    console.log(`${label}: ${now.tasks.size} tasks, ${now.open} open, integrity ${now.integrity}`);
    before = now;
  };
  const lifetime = await lifetimeOf(folder);
  console.log(`left alone the demo takes ${lifetime} ms; it is killed at any moment of that time`);
  let kills = 0;
  while (kills < times) {
    const after = Math.round(Math.random() * lifetime);
    const { killed, code, errors } = await runDemo({ folder, baseDir }, after);
    if (killed) kills++;
    else if (code !== 0) throw new Error(`the demo failed with ${code}: ${errors}`);
    look(killed ? `kill ${kills} after ${after} ms` : "ran to its end before it was killed");
  }
  const last = await runDemo({ folder, baseDir });
  if (last.code !== 0) throw new Error(`the demo failed with ${last.code}: ${last.errors}`);
  look("ran to its end");
  const open = before?.open ?? 0;
  const failed = [...(before?.tasks ?? [])].filter(([, { status }]) => status !== "completed").length;
  console.log(
    `\n${kills} kills, ${before?.tasks.size ?? 0} tasks: ${lost.size} lost, ${twice.size} settled twice, ${torn.size} torn, ${open} open, ${failed} not completed, integrity ${unsound.length === 0 ? "ok" : unsound.join("; ")}`,
  );
  const isFine = lost.size + twice.size + torn.size + open + failed + unsound.length === 0;
  if (isFine) rmSync(baseDir, { recursive: true });
  else console.log(`the database is kept: ${path}`);
  process.exitCode = isFine ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
