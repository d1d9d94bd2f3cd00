/** The thread of a backup: copies, brings the copy to disk, checks it. */
import { closeSync, fsyncSync, openSync } from "node:fs";
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import { StorageError } from "../../core/errors.ts";
import { int } from "../shared/values.ts";
import type { BackupPlan, BackupReport } from "./backup.ts";
import { Db } from "./db.ts";
import { storageError } from "./failure.ts";
import { nodeLibrary } from "./library.ts";

/** Answers how many tasks the copy holds. @throws StorageError */
function copy(plan: BackupPlan): number {
  try {
    // Only reads: the database stays as it is, whatever its schema.
    const connection = nodeLibrary.open(plan.path, { readOnly: true, wait: plan.busyTimeout });
    try {
      connection.prepare("VACUUM INTO ?").run(plan.copy);
    } finally {
      connection.close();
    }
  } catch (error) {
    const known = storageError(error, plan.path);
    throw known instanceof StorageError && known.code === "STORAGE_FULL" ? storageError(error, plan.copy) : known;
  }
  const file = openSync(plan.copy, "r+");
  fsyncSync(file);
  closeSync(file);
  return check(plan);
}

function check({ copy: file, path, tablePrefix }: BackupPlan): number {
  const db = new Db(nodeLibrary.open(file, { readOnly: true }), tablePrefix);
  try {
    const found = db.connection.prepare("PRAGMA integrity_check(1)").get()?.["integrity_check"];
    if (found !== "ok")
      throw new StorageError(
        "STORAGE_CORRUPT",
        `Expected the copy of ${path} to be whole, but it is damaged, as the database is: ${String(found)}`,
      );
    return int(db.get("SELECT count(*) AS n FROM {tasks}")?.["n"]);
  } catch (error) {
    throw storageError(error, file);
  } finally {
    db.connection.close();
  }
}

function main(plan: BackupPlan): BackupReport {
  try {
    return { tasks: copy(plan) };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { code: error instanceof StorageError ? error.code : "STORAGE_FAILED", message };
  }
}

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port has no origin
if (!isMainThread) parentPort?.postMessage(main(workerData as BackupPlan));
