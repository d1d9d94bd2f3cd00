/** Findings about the work: schedules, queues, workers. */
import type { Backlog } from "../../backends/shared/backlog.ts";
import { formatDuration } from "../../core/duration.ts";
import type { OmniQ, QueueInfo, Schedule, ScheduleInfo, WorkerInfo } from "../../index.ts";
import { count } from "../text.ts";
import { note, ok, problem, warning } from "./finding.ts";
import type { Finding } from "./finding.ts";

/** A schedule that is due for longer is late; workers look each second. */
const LATE = 60_000;
/** A task that could have started for so long waits for slots, or for a worker that knows it. */
const LONG_WAIT = 300_000;
const NAMED = 5;

export interface Work {
  /** Of any status. */
  readonly schedules: readonly (Schedule & Pick<ScheduleInfo, "broken">)[];
  readonly queues: readonly QueueInfo[];
  readonly workers: readonly WorkerInfo[];
  readonly backlog: Backlog;
  readonly now: number;
}

export async function readWork(omniq: OmniQ, backlog: Backlog, now: number): Promise<Work> {
  const [schedules, queues, workers] = await Promise.all([
    omniq.schedules.list({ limit: 1_000 }),
    omniq.queues.list(),
    omniq.workers.list(),
  ]);
  return { schedules, queues, workers, backlog, now };
}

export function workFindings(work: Work): readonly Finding[] {
  return [...workerFindings(work), ...scheduleFindings(work), ...queueFindings(work)];
}

function workerFindings({ workers, backlog }: Work): readonly Finding[] {
  const alive = workers.filter((worker) => worker.alive);
  const silent = workers.filter((worker) => !worker.alive && backlog.held.has(worker.id));
  return [
    alive.length === 0
      ? note("workers", "No worker is alive", "omniq worker --tasks FILE")
      : ok("workers", count(alive.length, "live worker")),
    ...silent.map(({ id, host, pid, gone }) =>
      warning(
        "workers.silent",
        `The worker ${id} (${host}, pid ${pid}) ${gone ? "has ended without a word" : "is silent"} and holds ${count(backlog.held.get(id) ?? 0, "task")}`,
        alive.length === 0
          ? "start a worker: it takes them over"
          : gone
            ? "another worker takes them over at once; if this stays, look at its log"
            : "another worker takes them over within its lease; if this stays, look at its log",
      ),
    ),
  ];
}

function scheduleFindings(work: Work): readonly Finding[] {
  return [...brokenFindings(work), ...lateFindings(work)];
}

/** One that is paused or completed would not fire in any case. */
function brokenFindings({ schedules }: Work): readonly Finding[] {
  const broken = schedules.filter((schedule) => schedule.broken !== undefined);
  const told = broken.slice(0, NAMED).map(({ id, status, broken: what = "" }) => {
    const remedy = `run the code that makes it or: omniq schedules add --id ${id} …, where its time zone is unknown with another one or a newer Node; or: omniq schedules delete ${id}`;
    const says = status === "active" ? problem : warning;
    return says("schedules.broken", `The ${status} schedule ${id} is broken and does not fire: ${what}`, remedy);
  });
  const more = broken.length - told.length;
  if (more === 0) return told;
  return [...told, warning("schedules.broken", `${count(more, "more schedule")} like this`, "omniq schedules list")];
}

function lateFindings({ schedules, workers, now }: Work): readonly Finding[] {
  const active = schedules.filter(({ status, broken }) => status === "active" && broken === undefined);
  const late = active.filter(({ nextRunAt }) => nextRunAt !== undefined && nextRunAt.getTime() < now - LATE);
  if (late.length === 0) return [ok("schedules", `${count(active.length, "active schedule")}, none late`)];
  const text = `${count(late.length, "schedule")} should have fired more than a minute ago: ${namesOf(late.map(({ id }) => id))}`;
  if (workers.some(({ alive }) => alive)) return [problem("schedules.late", text, "look at the log of a worker, and at: omniq events")];
  return [warning("schedules.late", text, "start a worker: omniq worker --tasks FILE")];
}

function queueFindings({ queues, workers, backlog, now }: Work): readonly Finding[] {
  const paused = new Set(queues.filter((queue) => queue.paused).map(({ name }) => name));
  const served = new Set(workers.filter(({ alive }) => alive).flatMap((worker) => worker.queues));
  const found = backlog.ready.flatMap(({ queue, tasks, oldest }): readonly Finding[] => {
    const waiting = `${count(tasks, "ready task")} in the queue ${queue}`;
    if (paused.has(queue)) return [warning("queues.paused", `${waiting}, which is paused`, `omniq queues resume ${queue}`)];
    if (!served.has(queue))
      return [warning("queues.no-worker", `${waiting}, and no live worker serves it`, `omniq worker --queues ${queue}`)];
    const waited = now - oldest;
    if (waited < LONG_WAIT) return [];
    const text = `${waiting}, the oldest due for ${formatDuration(Math.round(waited / 1_000) * 1_000)}`;
    return [warning("queues.behind", text, "omniq why ID says why a task waits; more workers or slots help where there are too few")];
  });
  const total = backlog.ready.reduce((sum, { tasks }) => sum + tasks, 0);
  return found.length > 0 ? found : [ok("queues", `${count(total, "ready task")}, none waits for long`)];
}

function namesOf(names: readonly string[]): string {
  return names.length > NAMED ? `${names.slice(0, NAMED).join(", ")} and ${names.length - NAMED} more` : names.join(", ");
}
