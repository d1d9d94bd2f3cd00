/** Random histories of schedules, told by events in the same place as the tasks and in another: the same story, and a true one. */
import { describe, expect, test } from "vitest";
import { defineTask, OmniQ } from "../../../src/index.ts";
import type { Backend, ScheduleOptions, TaskEvent } from "../../../src/index.ts";
import { SQLiteBackend } from "../../../src/sqlite.ts";
import { Dice } from "../../../src/testing/conformance/dice.ts";
import { ModelBackend, TestClock } from "../../../src/testing/index.ts";

const work = defineTask({ name: "work", handler: ({ n }: { n: number }) => n });
const bystander = defineTask({ name: "bystander", handler: () => undefined });
const unique = (onConflict: "keep" | "replace" | "throw") => ({ key: "k", onConflict }) as const;

interface World {
  readonly omniq: OmniQ;
  readonly clock: TestClock;
}

function worldOf(open: (clock: TestClock) => Backend, apart: boolean): World {
  const clock = new TestClock();
  return { clock, omniq: new OmniQ({ backend: open(clock), clock, ...(apart ? { events: open(clock) } : {}) }) };
}

/** What may be refused is part of the story. */
async function attempt(verb: () => Promise<unknown>): Promise<string> {
  try {
    await verb();
    return "done";
  } catch (error) {
    if (error instanceof Error && "code" in error) return String(error.code);
    throw error;
  }
}

interface Step {
  readonly what: string;
  readonly schedule: string;
  readonly run: (world: World) => Promise<string>;
}

/** Fires what is due, and runs nothing. */
const fire = ({ omniq }: World): Promise<void> => omniq.worker({ tasks: [bystander], queues: ["nobody"] }).drain();

function optionsOf(dice: Dice, id: string): ScheduleOptions {
  const onConflict = dice.pick(["keep", "replace", "throw", "throw"]);
  return {
    id,
    every: dice.pick(["10s", "15s"]),
    catchUp: dice.pick(["latest", "skip", { all: 3 }]),
    overlap: dice.chance(30) ? "skip" : "allow",
    ...(dice.chance(75) ? { unique: unique(onConflict) } : {}),
    ...(dice.chance(30) ? { maxRuns: 1 + dice.below(4) } : {}),
  };
}

function thrown(dice: Dice): Step {
  const schedule = dice.pick(["a", "b"]);
  const what = dice.pick(["make", "make", "pause", "resume", "fire", "fire", "fire", "run", "now", "now", "delete", "delete", "enqueue"]);
  const [options, n, back, onConflict] = [optionsOf(dice, schedule), dice.below(3), dice.below(3), dice.pick(["keep", "replace"])];
  const verbs: Record<typeof what, (world: World) => Promise<unknown>> = {
    make: ({ omniq }) => omniq.schedule(work, { n }, options),
    pause: ({ omniq }) => omniq.schedules.pause(schedule),
    resume: ({ omniq, clock }) => omniq.schedules.resume(schedule, { from: new Date(clock.now() - back * 20_000) }),
    fire: async (world) => {
      await world.clock.advance(5_000 + 10_000 * back);
      await fire(world);
    },
    run: async (world) => {
      await fire(world);
      await world.omniq.worker({ tasks: [work], concurrency: 1 }).drain();
    },
    now: ({ omniq }) => omniq.schedules.runNow(schedule),
    delete: ({ omniq }) => omniq.schedules.delete(schedule),
    enqueue: ({ omniq }) => omniq.enqueue(work, { n }, { unique: unique(onConflict) }),
  };
  return { what, schedule, run: (world) => attempt(() => verbs[what](world)) };
}

async function eventsOf({ omniq }: World): Promise<readonly TaskEvent[]> {
  return (await omniq.events.find({ limit: 1_000 })).toReversed();
}

/** What the events say, with the tasks named in the order in which they come: each world has ids of its own. */
function storyOf(events: readonly TaskEvent[]): readonly string[] {
  const names = new Map<string, string>();
  for (const { taskId } of events) if (taskId !== undefined && !names.has(taskId)) names.set(taskId, `task ${names.size}`);
  return events.map(({ eventType, taskId, scheduleId, queueName, level, message, data, timestamp }) => {
    const text = JSON.stringify([eventType, taskId, scheduleId, queueName, level, message, data, timestamp]);
    return [...names].reduce((told, [id, name]) => told.replaceAll(id, name), text);
  });
}

const isRun = ({ eventType, data }: TaskEvent): boolean => eventType === "schedule_fired" && data["byHand"] !== true;

class Truth {
  /** How many events there were when this one of its name was made, and what it was last. */
  readonly #made = new Map<string, number>();
  readonly #status = new Map<string, string>();
  #told = 0;

  /** Everything that does not hold of the events after a step. */
  async lies({ what, schedule }: Step, world: World, answer: string): Promise<readonly string[]> {
    const events = await eventsOf(world);
    const rows = await world.omniq.schedules.list();
    for (const { id } of rows) if (!this.#made.has(id)) this.#made.set(id, this.#told);
    const now = rows.find(({ id }) => id === schedule)?.status;
    const lies = [
      ...(await noSuchTask(events, world)),
      ...rows.flatMap(({ id, runCount }) => {
        const runs = events.slice(this.#made.get(id)).filter((event) => event.scheduleId === id && isRun(event)).length;
        return runs === runCount ? [] : [`${id} ran ${runCount} times, ${runs} are told`];
      }),
      ...this.#turns(what, events.slice(this.#told), this.#status.get(schedule), now),
    ];
    if (what === "delete" && answer === "done") this.#made.delete(schedule);
    for (const { id } of rows) this.#status.set(id, rows.find((row) => row.id === id)?.status ?? "");
    if (now === undefined) this.#status.delete(schedule);
    this.#told = events.length;
    return lies;
  }

  #turns(what: string, fresh: readonly TaskEvent[], before: string | undefined, now: string | undefined): readonly string[] {
    if (what === "fire" || what === "run" || before === undefined || now === undefined || before === now) return [];
    const told = fresh.map(({ eventType }) => eventType).join(" ");
    const wanted =
      now === "paused" ? "schedule_paused" : before === "paused" ? "schedule_resumed" : now === "completed" ? "schedule_completed" : "";
    return told === wanted ? [] : [`from ${before} to ${now} told as "${told}"`];
  }
}

async function noSuchTask(events: readonly TaskEvent[], { omniq }: World): Promise<readonly string[]> {
  const ids = [...new Set(events.flatMap(({ taskId }) => taskId ?? []))];
  const tasks = await Promise.all(ids.map((id) => omniq.tasks.get(id)));
  return ids.filter((_, i) => tasks[i] === undefined).map((id) => `no task ${id}`);
}

const PLACES: readonly (readonly [string, (clock: TestClock) => Backend])[] = [
  ["the model", (clock) => new ModelBackend({ clock })],
  ["SQLite", (clock) => new SQLiteBackend({ path: ":memory:", clock })],
];
const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8];

describe.each(PLACES)("what a history of schedules is told as, on %s", (_, open) => {
  test.each(SEEDS)("seed %i", async (seed) => {
    const [one, two] = [worldOf(open, false), worldOf(open, true)];
    const [truth, other, dice] = [new Truth(), new Truth(), new Dice(seed)];
    try {
      for (let i = 1; i <= 60; i++) {
        const step = thrown(dice);
        const at = `seed ${seed}, step ${i}: ${step.what} ${step.schedule}`;
        const answer = await step.run(one);
        expect(await step.run(two), at).toBe(answer);
        expect(storyOf(await eventsOf(two)), at).toEqual(storyOf(await eventsOf(one)));
        expect(await truth.lies(step, one, answer), at).toEqual([]);
        expect(await other.lies(step, two, answer), at).toEqual([]);
      }
    } finally {
      await one.omniq.close();
      await two.omniq.close();
    }
  });
});
