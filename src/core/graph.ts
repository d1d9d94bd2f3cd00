/** The order of one call's tasks: parents first, and no circle among them (parents outside the call must exist, so a circle can only lie inside). */
import { EnqueueRefusedError } from "./errors.ts";
import type { TaskId } from "./record.ts";

interface Node {
  readonly id: TaskId;
  readonly dependsOn: readonly { readonly id: TaskId }[];
}

/**
 * The same tasks with every parent before its children, otherwise in the order given. Iterative: a chain may be 10,000 long.
 * @throws EnqueueRefusedError `DEPENDENCY_CYCLE` with the path of the circle.
 */
export function parentsFirst<T extends Node>(tasks: readonly T[]): readonly T[] {
  if (tasks.every((task) => task.dependsOn.length === 0)) return tasks;
  const byId = new Map(tasks.map((task) => [task.id, task]));
  const done = new Set<T>();
  const sorted: T[] = [];
  for (const root of tasks) {
    const path: { readonly task: T; next: number }[] = done.has(root) ? [] : [{ task: root, next: 0 }];
    const onPath = new Set(path.map((step) => step.task));
    for (let step = path.at(-1); step !== undefined; step = path.at(-1)) {
      const edge = step.task.dependsOn[step.next++];
      const parent = edge === undefined ? undefined : byId.get(edge.id);
      if (edge === undefined) {
        path.pop();
        onPath.delete(step.task);
        done.add(step.task);
        sorted.push(step.task);
      } else if (parent !== undefined && onPath.has(parent)) {
        throw cycle(
          path.map((each) => each.task.id),
          parent.id,
        );
      } else if (parent !== undefined && !done.has(parent)) {
        path.push({ task: parent, next: 0 });
        onPath.add(parent);
      }
    }
  }
  return sorted;
}

function cycle(path: readonly TaskId[], id: TaskId): EnqueueRefusedError {
  const circle = [...path.slice(path.indexOf(id)), id];
  const text = circle.length > 8 ? [...circle.slice(0, 4), `… (${circle.length - 5} more)`, id] : circle;
  return new EnqueueRefusedError(
    "DEPENDENCY_CYCLE",
    `Expected dependencies without a circle, got ${text.join(" -> ")}; nothing was enqueued`,
  );
}
