/** A newer version brings the schema up to date while processes of this one are running. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Pool } from "pg";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { defineTask, OmniQ } from "../../src/index.ts";
import { ENGINES } from "../fixtures/engines.ts";
import { until } from "../fixtures/helpers.ts";

const quiet = (): void => undefined;

describe.each(ENGINES)("an upgrade on $name", ({ place }) => {
  let folder = "";
  let at: ReturnType<typeof place>;
  let omniq: OmniQ;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "omniq-upgrade-"));
    at = place(folder);
    omniq = new OmniQ({ ...at.options, logger: { debug: quiet, info: quiet, warn: quiet, error: quiet } });
  });
  afterEach(async () => {
    await omniq.close();
    await at.remove();
    rmSync(folder, { recursive: true });
  });

  /** What another version writes. */
  async function migrate(...steps: readonly string[]): Promise<void> {
    const { url, schema = "" } = at.options as { readonly url?: string; readonly schema?: string };
    const text = `BEGIN; ${steps.join("; ")}; UPDATE omniq_meta SET value = 99 WHERE key = 'schema_version'; COMMIT`;
    if (url === undefined) {
      const file = new DatabaseSync(join(folder, "test_project.db"), { timeout: 5_000 });
      file.exec(text);
      file.close();
      return;
    }
    const pool = new Pool({ connectionString: url, options: `-c search_path=${schema}`, max: 1 });
    await pool.query(text);
    await pool.end();
  }

  test("that adds to the tables is lived through by those that run, and nobody of the old version joins them", async () => {
    let go = (): void => undefined;
    const held = new Promise<void>((resolve) => (go = resolve));
    const wait = defineTask({ name: "wait", handler: () => held.then(() => "done") });
    const worker = omniq.worker({ tasks: [wait] });
    await worker.start();
    const before = await omniq.enqueue(wait);
    await until(async () => (await omniq.tasks.get(before.id))?.status === "running");
    await migrate("ALTER TABLE tasks ADD COLUMN later INTEGER NOT NULL DEFAULT 7", "CREATE TABLE more (a INTEGER)");
    const after = await omniq.enqueue(wait);
    go();
    expect(await Promise.all([before.result(), after.result()])).toEqual(["done", "done"]);
    expect(await omniq.tasks.get(after.id)).toMatchObject({ attempt: 1 });
    const late = new OmniQ(at.options);
    await expect(late.open()).rejects.toMatchObject({ code: "SCHEMA_TOO_NEW" });
    await late.close();
  });

  test("that old ones may not live through takes their tables: each call is refused, nothing is half written, and they end", async () => {
    let go = (): void => undefined;
    const held = new Promise<void>((resolve) => (go = resolve));
    const wait = defineTask({ name: "wait", handler: () => held });
    const worker = omniq.worker({ tasks: [wait] });
    const told: unknown[] = [];
    worker.on("error", (error) => told.push(error));
    await worker.start();
    const { id } = await omniq.enqueue(wait);
    await until(async () => (await omniq.tasks.get(id))?.status === "running");
    await migrate("ALTER TABLE tasks RENAME TO tasks_v99");
    const refusal = { code: "STORAGE_NOT_FOUND", message: expect.stringContaining("a newer OmniQ") as unknown };
    await expect(omniq.enqueue(wait)).rejects.toMatchObject(refusal);
    go();
    await until(() => told.length > 0);
    expect(told[0]).toMatchObject(refusal);
    await worker.stop({ timeout: 100 });
    await migrate("ALTER TABLE tasks_v99 RENAME TO tasks", "UPDATE omniq_meta SET value = 0 WHERE key = 'none'");
    expect(await omniq.tasks.get(id)).toMatchObject({ status: "running", attempt: 1 });
    expect((await omniq.tasks.find({})).items.map((each) => each.id)).toEqual([id]);
  });
});
