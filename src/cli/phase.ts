/** Tasks with their phases, and the colours of these. */
import type { Phase } from "../core/task.ts";
import type { OmniQ, Task, TaskFilter } from "../index.ts";
import type { Style } from "./terminal.ts";

export interface Placed {
  readonly task: Task;
  readonly phase: Phase;
}

/** The most that one page holds. */
const PAGE = 1_000;
/** Phases of pending tasks that only the store knows. */
const HIDDEN: readonly Phase[] = ["blocked", "delayed", "cancelled", "expired"];

/** The newest tasks that a filter means. */
export async function findPlaced(omniq: OmniQ, filter: TaskFilter, limit: number): Promise<readonly Placed[]> {
  const tasks = await find(omniq, filter, limit);
  const hidden = new Map<string, Phase>();
  if (filter.phase === undefined && tasks.some(({ status }) => status === "pending")) {
    for (const phase of HIDDEN) {
      for (const { id } of await find(omniq, { ...filter, phase }, limit)) hidden.set(id, phase);
    }
  }
  return tasks.map((task) => ({ task, phase: filter.phase ?? phaseOf(task, hidden) }));
}

async function find(omniq: OmniQ, filter: TaskFilter, limit: number): Promise<readonly Task[]> {
  const tasks: Task[] = [];
  let after: string | undefined;
  do {
    const page = await omniq.tasks.find({ ...filter, limit: Math.min(PAGE, limit - tasks.length), after });
    tasks.push(...page.items);
    after = page.next;
  } while (after !== undefined && tasks.length < limit);
  return tasks;
}

function phaseOf({ id, status, nextRetryAt, isReady }: Task, hidden: ReadonlyMap<string, Phase>): Phase {
  if (status === "pending") return hidden.get(id) ?? "ready";
  if (status !== "failed" || nextRetryAt === undefined) return status;
  return isReady ? "ready" : "retrying";
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
