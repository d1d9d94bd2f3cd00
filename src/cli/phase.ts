/** Finding tasks over pages, and the colours of their phases. */
import type { Phase } from "../core/task.ts";
import type { OmniQ, TaskFilter, TaskInfo } from "../index.ts";
import type { Style } from "./terminal.ts";

/** The most that one page holds. */
const PAGE = 1_000;

/** The newest tasks that a filter means. */
export async function findTasks(omniq: OmniQ, filter: TaskFilter, limit: number): Promise<readonly TaskInfo[]> {
  const tasks: TaskInfo[] = [];
  let after: string | undefined;
  do {
    const page = await omniq.tasks.find({ ...filter, limit: Math.min(PAGE, limit - tasks.length), after });
    tasks.push(...page.items);
    after = page.next;
  } while (after !== undefined && tasks.length < limit);
  return tasks;
}

const STYLES: Readonly<Record<Phase, Style>> = {
  ready: "cyan",
  delayed: "blue",
  retrying: "yellow",
  blocked: "magenta",
  running: "blueBright",
  completed: "green",
  failed: "red",
  cancelled: "gray",
  expired: "gray",
};

export function styleOfPhase(phase: string): Style | undefined {
  return Object.entries(STYLES).find(([name]) => name === phase)?.[1];
}
