/**
 * A crowd of processes on one database, all of which work, enqueue, cancel and requeue at once, while some are killed. What must hold is
 * read from what they said and from the rows and events that are left. `OMNIQ_TEST_CROWD=20` runs so many seeds.
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { OmniQ } from "../../src/index.ts";
import type { OmniQOptions } from "../../src/index.ts";
import { Dice } from "../../src/testing/conformance/dice.ts";
import { crowdJob } from "../fixtures/crowd-job.ts";
import { ENGINES } from "../fixtures/engines.ts";
import { until } from "../fixtures/helpers.ts";

const SCRIPT = join(import.meta.dirname, "../fixtures/crowd-process.ts");
const SEEDS = Array.from({ length: Number(process.env["OMNIQ_TEST_CROWD"] ?? 1) }, (_, i) => i + 1);
const PROCESSES = 4;
const KILLS = 4;
/** What a call may be refused with here. */
const FAIR = new Set(["ILLEGAL_TRANSITION", "UNKNOWN_PARENT", "TASK_NOT_FOUND", "UNIQUE_CONFLICT"]);
const FINAL = new Set(["completed", "failed", "cancelled", "expired"]);

interface Said {
  readonly at: number;
  readonly what: string;
  readonly words: readonly string[];
  readonly by: Member;
}
interface Member {
  readonly child: ChildProcess;
  killedAt: number | undefined;
}

class Crowd {
  readonly said: Said[] = [];
  readonly members: Member[] = [];
  readonly #options: OmniQOptions;

  constructor(options: OmniQOptions) {
    this.#options = options;
  }

  join(seed: number): void {
    const child = spawn(process.execPath, [SCRIPT, JSON.stringify({ options: this.#options, seed })], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const member: Member = { child, killedAt: undefined };
    this.members.push(member);
    let rest = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const [at = "", what = "", ...words] = line.split(" ");
        this.said.push({ at: Number(at), what, words, by: member });
      }
    });
  }

  get alive(): readonly Member[] {
    return this.members.filter(({ killedAt }) => killedAt === undefined);
  }

  async kill(member: Member): Promise<void> {
    member.child.kill("SIGKILL");
    await once(member.child, "close");
    member.killedAt = Number(process.hrtime.bigint() / 1_000n);
  }

  async stop(): Promise<void> {
    await Promise.all(
      this.alive.map(async ({ child }) => {
        const gone = once(child, "close");
        child.kill("SIGTERM");
        await gone;
      }),
    );
  }

  of(what: string): readonly Said[] {
    return this.said.filter((each) => each.what === what);
  }
}

async function live(crowd: Crowd, seed: number): Promise<void> {
  const dice = new Dice(seed);
  for (let i = 0; i < PROCESSES; i++) crowd.join(1_000 * seed + i);
  for (let i = 0; i < KILLS; i++) {
    const before = crowd.of("end").length;
    await until(() => crowd.of("end").length > before + 20 + dice.below(40), 60_000);
    const victim = crowd.alive[dice.below(crowd.alive.length)];
    if (victim !== undefined) await crowd.kill(victim);
    crowd.join(1_000 * seed + PROCESSES + i);
  }
  await until(() => crowd.alive.every((member) => crowd.of("done").some(({ by }) => by === member)), 120_000);
}

function groupsOf(said: readonly Said[], by: (each: Said) => string): ReadonlyMap<string, readonly Said[]> {
  const groups = new Map<string, Said[]>();
  for (const each of said) groups.set(by(each), [...(groups.get(by(each)) ?? []), each]);
  return groups;
}

/** No claim runs twice, and no task runs anew while the run before it goes on in a process that lives. */
function expectOneRunAtATime(crowd: Crowd): void {
  const starts = groupsOf(crowd.of("start"), ({ words: [id = ""] }) => id);
  const ends = new Map(crowd.of("end").map(({ words, at }) => [words.join(" "), at]));
  for (const runs of starts.values()) {
    const inOrder = runs.toSorted((a, b) => Number(a.words[1]) - Number(b.words[1]));
    for (const [i, { words, by }] of inOrder.entries()) {
      const next = inOrder[i + 1];
      if (next === undefined) continue;
      expect(next.words[1], `claims of ${words[0]}`).not.toBe(words[1]);
      const ended = ends.get(words.join(" ")) ?? by.killedAt ?? Number.POSITIVE_INFINITY;
      expect(ended, `${words.join(" ")} ends before ${next.words.join(" ")} starts`).toBeLessThanOrEqual(next.at);
    }
  }
}

interface Told {
  readonly type: string;
  readonly at: number;
}

/** Between two ends, and between an end and a start, lies a requeue. */
function expectOneEnd(id: string, events: readonly Told[]): void {
  let isOpen = true;
  for (const { type } of events) {
    if (type === "requeued") isOpen = true;
    if (type === "executing" || FINAL.has(type)) expect(isOpen, `${id}: ${events.map((each) => each.type).join(", ")}`).toBe(true);
    if (FINAL.has(type)) isOpen = false;
  }
  expect(isOpen, `${id} has ended: ${events.map((each) => each.type).join(", ")}`).toBe(false);
}

/** Of those who were made with one key, each has ended before the next was made. */
function expectUnique(crowd: Crowd, events: ReadonlyMap<string, readonly Told[]>): void {
  const held = crowd.of("made").filter(({ words: [, key] }) => key !== "-");
  for (const [key, made] of groupsOf(held, ({ words }) => words[1] ?? "")) {
    const times = made.map(({ words: [id = ""] }) => {
      const told = events.get(id) ?? [];
      return { id, from: told[0]?.at ?? 0, to: told.find(({ type }) => FINAL.has(type))?.at ?? Number.POSITIVE_INFINITY };
    });
    const inOrder = times.toSorted((a, b) => a.from - b.from || a.to - b.to);
    for (const [i, one] of inOrder.entries()) {
      const next = inOrder[i + 1];
      if (next !== undefined) expect(one.to, `${key}: ${one.id}, then ${next.id}`).toBeLessThanOrEqual(next.from);
    }
  }
}

describe.each(ENGINES)("a crowd on $name", ({ place }) => {
  test.each(SEEDS)("loses nothing, runs nothing twice at once, and ends everything once (seed %i)", { tags: ["slow"] }, async (seed) => {
    const dir = mkdtempSync(join(tmpdir(), "omniq-crowd-"));
    const { options, remove } = place(dir);
    const omniq = new OmniQ(options);
    await omniq.open();
    const crowd = new Crowd(options);
    try {
      await live(crowd, seed);
      await crowd.stop();
      await omniq.worker({ tasks: [crowdJob(() => undefined)], concurrency: 8 }).drain();

      expect(
        crowd
          .of("refused")
          .filter(({ words: [code = ""] }) => !FAIR.has(code))
          .map(({ words }) => words),
      ).toEqual([]);
      expectOneRunAtATime(crowd);
      const events = new Map<string, Told[]>();
      const parents = new Map(crowd.of("made").map(({ words: [id = "", , ...of] }) => [id, of]));
      expect(parents.size).toBeGreaterThan(200);
      for (const id of parents.keys()) {
        const task = await omniq.tasks.get(id);
        expect(task !== undefined && FINAL.has(task.status), `${id} has ended`).toBe(true);
        if (task?.status === "completed") expect((await omniq.results.get(id))?.result).toBe(2 * Number(id.split("-")[1]));
        const told = (await omniq.events.find({ taskId: id })).toReversed();
        events.set(
          id,
          told.map(({ eventType, timestamp }) => ({ type: eventType, at: timestamp.getTime() })),
        );
      }
      for (const [id, told] of events) expectOneEnd(id, told);
      expectUnique(crowd, events);
      for (const [id, of] of parents)
        for (const parent of of) {
          const start = events.get(id)?.find(({ type }) => type === "executing")?.at ?? Number.POSITIVE_INFINITY;
          const end = events.get(parent)?.find(({ type }) => FINAL.has(type))?.at ?? Number.POSITIVE_INFINITY;
          expect(end, `${parent} ends before its child ${id} starts`).toBeLessThanOrEqual(start);
        }
    } finally {
      for (const { child } of crowd.members) child.kill("SIGKILL");
      await omniq.close();
      await remove();
      rmSync(dir, { recursive: true, force: true });
    }
  });
});
