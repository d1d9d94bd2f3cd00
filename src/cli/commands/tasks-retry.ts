/** `omniq tasks retry`. */
import type { RetryConflict } from "../../index.ts";
import { changing } from "../change.ts";

export const run = changing({
  verb: "retry",
  from: ["failed", "cancelled", "expired"],
  act: async (omniq, id) => {
    const answer = await omniq.tasks.retry(id);
    return typeof answer === "string" ? answer : { outcome: answer.is, reason: reasonOf(answer) };
  },
  done: ["retried"],
  parentsFirst: true,
  words: {
    retried: "made ready to run again",
    "not-final": "no longer ended",
    conflict: "kept back by another of the same unique key or schedule",
    missing: "gone",
  },
});

function reasonOf({ over, taskId }: RetryConflict): string {
  return over === "unique"
    ? `task ${taskId} holds its unique key`
    : `task ${taskId} of its schedule has not ended, and none of them may overlap`;
}
