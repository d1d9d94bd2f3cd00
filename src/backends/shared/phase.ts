/** The phase of a row as SQL: the twin of `phaseOf` in task-row.ts. */
import type { Phase } from "../../core/task.ts";
import { MARK, STAGE } from "./stage.ts";

/** Whether a row is in this phase. @param now the time, as SQL. */
export function isInPhase(phase: Phase, now: string): string {
  switch (phase) {
    case "ready":
      return `(stage = ${STAGE.ready} OR (stage = ${STAGE.timed} AND due_at <= ${now}))`;
    case "delayed":
      return `(stage = ${STAGE.timed} AND due_at > ${now} AND status <> 'failed')`;
    case "retrying":
      return `(stage = ${STAGE.timed} AND due_at > ${now} AND status = 'failed')`;
    case "blocked":
      return `stage = ${STAGE.blocked}`;
    case "running":
      return `stage = ${STAGE.running}`;
    case "completed":
    case "failed":
      return `(stage = ${STAGE.finished} AND status = '${phase}')`;
    case "cancelled":
      return `((stage = ${STAGE.finished} AND status = 'cancelled') OR (stage = ${STAGE.doomed} AND mark <> ${MARK.expired}))`;
    case "expired":
      return `((stage = ${STAGE.finished} AND status = 'expired') OR (stage = ${STAGE.doomed} AND mark = ${MARK.expired}))`;
  }
}
