import type { Accepted, Enqueued, Refused } from "../core/backend.ts";
import { EnqueueRefusedError } from "../core/errors.ts";
import type { TaskId } from "../core/record.ts";

const CODE = { unique: "UNIQUE_CONFLICT", "id-reused": "ID_REUSED", "unknown-parent": "UNKNOWN_PARENT" } as const;
const WANTED = {
  unique: "a unique key that no other task holds",
  "id-reused": "an id that is new, or the same task again",
  "unknown-parent": "`dependsOn` to name tasks that are there",
} as const;

/** The error for a call that a backend refused. */
export function refusedError({ why, detail }: Refused): EnqueueRefusedError {
  return new EnqueueRefusedError(CODE[why], `Expected ${WANTED[why]}, but ${detail}; nothing was enqueued`);
}

/** The error for a task whose queue the component does not serve. */
export function queueMismatch(id: TaskId, queueName: string, queues: readonly string[]): EnqueueRefusedError {
  const list = queues.map((queue) => `"${queue}"`).join(", ");
  return new EnqueueRefusedError(
    "QUEUE_MISMATCH",
    `Expected \`queueName\` of task ${id} to be one of ${list}, got "${queueName}"; nothing was enqueued`,
  );
}

/**
 * The answers to one call, in order.
 * @throws EnqueueRefusedError `UNIQUE_CONFLICT`, `ID_REUSED` or `UNKNOWN_PARENT` when it was refused.
 */
export function accepted(answers: readonly Enqueued[]): readonly Accepted[] {
  return answers.map((answer) => {
    if (answer.is === "refused") throw refusedError(answer);
    return answer;
  });
}
