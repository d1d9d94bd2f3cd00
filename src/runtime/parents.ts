/** What the parents of a task came to. */
import { decode } from "../core/codec.ts";
import { refuseDamaged } from "../core/damaged.ts";
import { failureText } from "../core/record.ts";
import type { ResultRow } from "../core/result.ts";
import { FINALS } from "../core/task.ts";
import type { Edge, Final, StoredTask } from "../core/task.ts";
import type { ParentResult } from "./signatures.ts";
import type { Stores } from "./stores.ts";

export async function parentResults(stores: Stores, { dependsOn }: StoredTask): Promise<readonly ParentResult[]> {
  const ids = dependsOn.map(({ id }) => id);
  if (ids.length === 0) return [];
  const [tasks, results] = await Promise.all([stores.main.desk.get(ids), stores.results.results.get(ids)]);
  return dependsOn.map((edge, i) => parentResult(edge, tasks[i], results[i]));
}

function parentResult(edge: Edge, task: StoredTask | undefined, row: ResultRow | undefined): ParentResult {
  // A result of an earlier run than the one that ended the task tells nothing of its end.
  const result = row?.fence !== undefined && task !== undefined && row.fence !== task.fence ? undefined : row;
  if (result !== undefined) refuseDamaged(result, `result and error of task ${edge.id}`);
  return {
    taskId: edge.id,
    status: FINALS.find((status) => status === task?.status) ?? result?.status ?? (task === undefined ? ended(edge) : "failed"),
    result: result?.status === "completed" && result.value !== undefined ? decode(result.value) : undefined,
    error: result?.error === undefined ? undefined : failureText(result.error),
  };
}

/**
 * A parent that has not ended was retried since (else this child would wait): it had failed, or had been cancelled.
 * A parent that was deleted since: this child would not run had it not completed, unless the child asked to run in any case.
 */
function ended({ ifFailed }: Edge): Final {
  return ifFailed === "cancel" ? "completed" : "failed";
}
