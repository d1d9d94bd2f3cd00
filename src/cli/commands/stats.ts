/** `omniq stats`: the whole in numbers, once or again and again. */
import { formatDuration } from "../../core/duration.ts";
import { FINALS, PHASES } from "../../core/task.ts";
import type { OmniQ } from "../../index.ts";
import { EXIT } from "../command.ts";
import type { Run } from "../command.ts";
import { withDatabase } from "../database.ts";
import { styleOfEvent } from "./events.ts";
import { lifeOf, styleOfLife } from "../life.ts";
import { styleOfPhase } from "../phase.ts";
import { printTable } from "../table.ts";
import type { Column } from "../table.ts";
import type { Terminal } from "../terminal.ts";
import { number, tally, time } from "../text.ts";

const OPEN = PHASES.filter((phase) => !FINALS.some((final) => final === phase));

export const run: Run = (given, terminal) =>
  withDatabase(given, terminal, async (omniq) => {
    if (given.flag("watch") || given.whole("watch") !== undefined) {
      const { watch } = await import("../live/watch.ts");
      return watch(omniq, given, terminal);
    }
    const counted = await countAll(omniq);
    if (given.flag("json")) terminal.json(counted);
    else await print(terminal, counted);
    return EXIT.fine;
  });

async function countAll(omniq: OmniQ) {
  const [stats, queues, workers] = await Promise.all([omniq.stats(), omniq.queues.list(), omniq.workers.list()]);
  return { ...stats, paused: queues.filter(({ paused }) => paused).map(({ name }) => name), workers };
}

type Counted = Awaited<ReturnType<typeof countAll>>;

async function print(terminal: Terminal, counted: Counted): Promise<void> {
  await printQueues(terminal, counted);
  heading(terminal, "Ended");
  await printTable(terminal, numbers(FINALS), [FINALS.map((phase) => tally(counted.tasks[phase]))]);
  if (counted.more) terminal.line(terminal.paint("dim", "Counting stopped at 10,000 somewhere: there are more."));
  const { results, events } = counted;
  heading(terminal, "Results");
  const { completed, failed, expired } = results;
  const gone = expired === 0 ? "" : `, ${number(expired)} past their time`;
  const of = results.more ? `; of the newest ${number(results.total)}` : "";
  terminal.line(`${tally(results.total)}${of}: ${number(completed)} completed, ${number(failed)} failed${gone}`);
  heading(terminal, "Events");
  await printTable(
    terminal,
    [
      { head: "EVENT", style: styleOfEvent },
      { head: "COUNT", align: "right" },
    ],
    Object.entries(events.byType)
      .toSorted(([, a], [, b]) => b - a)
      .map(([type, times]) => [type, number(times)]),
  );
  if (events.oldest !== undefined && events.newest !== undefined) {
    terminal.line(
      terminal.paint(
        "dim",
        `${tally(events.total)}${events.more ? ", of which the newest are counted," : ""} from ${time(events.oldest)} to ${time(events.newest)}`,
      ),
    );
  }
  await printWorkers(terminal, counted);
}

async function printQueues(terminal: Terminal, { queues, paused }: Counted): Promise<void> {
  const names = [...new Set([...Object.keys(queues), ...paused])].toSorted();
  terminal.line(terminal.paint("bold", "Queues"));
  if (names.length === 0) {
    terminal.line(terminal.paint("dim", "Nothing waits, nothing runs."));
    return;
  }
  await printTable(
    terminal,
    [{ head: "QUEUE", cut: "end" }, ...numbers(OPEN), { head: "" }],
    names.map((name) => {
      const counts = OPEN.map((phase) => tally(queues[name]?.[phase] ?? 0));
      return [name, counts, paused.includes(name) ? "paused" : ""].flat();
    }),
  );
}

async function printWorkers(terminal: Terminal, { workers }: Counted): Promise<void> {
  heading(terminal, "Workers");
  if (workers.length === 0) {
    terminal.line(terminal.paint("dim", "None."));
    return;
  }
  const now = Date.now();
  await printTable(
    terminal,
    [
      { head: "WORKER", cut: "end" },
      { head: "HOST", cut: "end" },
      { head: "PID", align: "right" },
      { head: "QUEUES", cut: "end" },
      { head: "SLOTS", align: "right" },
      { head: "SEEN", align: "right" },
      { head: "", style: styleOfLife },
    ],
    workers.map((worker) => [
      worker.id,
      worker.host,
      String(worker.pid),
      worker.queues.join(", "),
      String(worker.concurrency),
      `${formatDuration(Math.max(0, now - worker.seenAt.getTime()))} ago`,
      lifeOf(worker),
    ]),
  );
}

function numbers(phases: readonly string[]): readonly Column[] {
  return phases.map((phase) => ({
    head: phase.toUpperCase(),
    align: "right" as const,
    style: (value: string) => (value === "0" ? "dim" : styleOfPhase(phase)),
  }));
}

function heading(terminal: Terminal, text: string): void {
  terminal.line();
  terminal.line(terminal.paint("bold", text));
}
