/** Random commands: each is thrown once and then run alike on any place. */
import type { Backend, Claim, ClaimAsk, Settlement, TaskPatch } from "../../core/backend.ts";
import { decide } from "../../core/lifecycle.ts";
import type { Outcome } from "../../core/lifecycle.ts";
import { workerRow } from "./bench.ts";
import { scheduleCommands } from "./schedule-commands.ts";
import { span, thrownTask } from "./throws.ts";
import type { Command, Place, Throws } from "./throws.ts";

function enqueue(t: Throws): Command {
  const calls = t.dice.some(2, () => ({ tasks: t.dice.some(3, () => thrownTask(t)), announce: t.dice.chance(50) }));
  return {
    what: "enqueue",
    run: ({ backend, clock }) =>
      backend.work.enqueue(calls.map(({ tasks, announce }) => ({ tasks: tasks.map((make) => make(clock)), announce }))),
  };
}

function thrownAsk(t: Throws): (place: Place) => Promise<ClaimAsk> {
  const { dice } = t;
  const worker = t.worker();
  const limit = 1 + dice.below(4);
  const queues = [...new Set(dice.some(3, () => t.queue()))];
  const due = { due: true, queues, names: dice.pick(["any", ["f", "g", "done"], ["f"]]), announce: dice.chance(50) } as const;
  const marked = { ids: [...new Set(dice.some(3, () => t.oldId()))] };
  const from = new Set(dice.some(2, () => t.worker()));
  const late = dice.chance(20) ? 1 : 0;
  const only = dice.chance(30) ? { marked: true } : {};
  const kind = dice.pick(["due", "due", "due", "due", "ended", "ids", "lost"]);
  return async ({ backend }) => {
    if (kind !== "lost") return { worker, limit, of: kind === "due" ? due : kind === "ids" ? marked : { ended: true } };
    const rows = (await backend.presence.workers(10)).filter((row) => from.has(row.worker));
    const lost = rows.map((row) => ({ worker: row.worker, beat: row.beat - late })).toSorted((a, b) => (a.worker < b.worker ? -1 : 1));
    return { worker, limit, of: { lost, ...only } };
  };
}

function claim(t: Throws): Command {
  const ask = thrownAsk(t);
  return {
    what: "claim",
    run: async (place) => {
      const claims = await place.backend.work.claim(await ask(place));
      place.claims.push(...claims.claims);
      return claims;
    },
  };
}

function thrownOutcome({ dice }: Throws): Outcome {
  const failure = { name: "E", message: "no" };
  const retries: readonly [Outcome, ...Outcome[]] = [
    { kind: "threw", failure },
    { kind: "threw", failure, final: true },
    { kind: "retry", after: span(dice) },
    { kind: "snooze", after: span(dice) },
    { kind: "discard", reason: "none" },
    { kind: "interrupted" },
    { kind: "cancelled" },
  ];
  return dice.chance(45) ? { kind: "returned", value: "1" } : dice.pick(retries);
}

/** The claim so many before the last. */
function claimAt(place: Place, back: number): Claim | undefined {
  return place.claims.at(-1 - (back % Math.max(1, place.claims.length)));
}

/** What the claim comes to: what was handed out to be ended is ended, or given back. */
function settlementOf(given: Claim, outcome: Outcome): Settlement {
  const fits = given.for === "run" || outcome.kind === "interrupted";
  return decide(given, fits ? outcome : { kind: "ended" }, { worker: "w", elapsed: 0, executionMs: 1, random: () => 0.5 });
}

function settle(t: Throws): Command {
  const { dice } = t;
  const set = dice.some(4, () => ({ back: dice.below(dice.chance(85) ? 4 : 30), outcome: thrownOutcome(t) }));
  const then = dice.chance(30) ? thrownAsk(t) : undefined;
  return {
    what: "settle",
    run: async (place) => {
      const settlements = set.flatMap(({ back, outcome }) => {
        const given = claimAt(place, back);
        return given === undefined ? [] : [settlementOf(given, outcome)];
      });
      const answer = await place.backend.work.settle(settlements, await then?.(place));
      place.claims.push(...(answer.next?.claims ?? []));
      return answer;
    },
  };
}

function progress({ dice }: Throws): Command {
  const back = dice.below(8);
  return {
    what: "progress",
    run: async (place) => {
      const given = claimAt(place, back);
      if (given === undefined) return [];
      const { id } = given.task;
      return place.backend.work.progress([{ id, fence: given.fence, event: { type: "progress", taskId: id, data: "0.5" } }]);
    },
  };
}

function presence(t: Throws): Command {
  const worker = t.worker();
  const what = t.dice.pick(["beat", "beat", "arrive", "leave"]);
  return {
    what: `${what} ${worker}`,
    run: async (place) => {
      if (what !== "beat")
        return what === "arrive" ? place.backend.presence.arrive(workerRow(worker)) : place.backend.presence.leave(worker);
      const held = place.claims.filter((each) => each.task.worker === worker && (each.for === "run" || each.for === "lost"));
      return place.backend.presence.beat(
        worker,
        held.slice(-6).map((each) => ({ id: each.task.id, fence: each.fence })),
      );
    },
  };
}

function edit(t: Throws): Command {
  const { dice } = t;
  const [id, stale, offset] = [t.oldId(), dice.chance(15) ? 1 : 0, span(dice) - 10];
  const patches: readonly [TaskPatch, ...TaskPatch[]] = [
    { queue: t.queue(), priority: dice.below(4) },
    { ttl: dice.chance(30) ? null : span(dice) },
    { label: dice.chance(30) ? null : "l", tags: ["z"], callback: dice.chance(50) ? null : { func: "done" } },
    { runAt: null, maxRetries: 1 },
    { runAt: offset },
  ];
  const patch = dice.pick(patches);
  return {
    what: `edit ${id}`,
    run: async ({ backend, clock }) => {
      const [task] = await backend.desk.get([id]);
      const runAt = typeof patch.runAt === "number" ? { runAt: clock.now() + patch.runAt } : {};
      return backend.desk.edit([{ id, revision: (task?.revision ?? 0) - stale, patch: { ...patch, ...runAt } }]);
    },
  };
}

function desk(t: Throws): Command {
  const { dice } = t;
  const ids = dice.some(3, () => t.oldId());
  const [queue, paused] = [t.queue(), dice.chance(40)];
  const verbs: readonly [Command, ...Command[]] = [
    { what: `cancel ${ids.join(" ")}`, run: ({ backend }) => backend.desk.cancel(ids, "why") },
    { what: "cancel what was claimed last", run: (place) => place.backend.desk.cancel(place.claims.slice(-3).map((each) => each.task.id)) },
    { what: `requeue ${ids.join(" ")}`, run: ({ backend }) => backend.desk.requeue(ids) },
    { what: `remove ${ids.join(" ")}`, run: ({ backend }) => backend.desk.remove(ids) },
    { what: `pause ${queue} ${paused}`, run: ({ backend }) => backend.desk.setPaused(queue, paused) },
    { what: "waiting", run: async ({ backend }) => (await backend.desk.waiting(["q", "q3"], 1_000)).toSorted() },
    { what: "find", run: ({ backend }) => backend.desk.find({ limit: 1_000, queue, status: "pending", tags: ["x"] }) },
    { what: `ahead ${ids.join(" ")}`, run: ({ backend }) => ahead(backend, ids) },
  ];
  return dice.pick(verbs);
}

/** Behind a claim of nothing, which moves what is due into the ready set. */
async function ahead(backend: Backend, ids: readonly string[]): Promise<unknown> {
  await backend.presence.arrive(workerRow("w1"));
  await backend.work.claim({ worker: "w1", limit: 0, of: { due: true, queues: [], names: "any", announce: false } });
  return Promise.all(ids.map((id) => backend.desk.ahead(id, 100)));
}

function housekeeping(t: Throws): Command {
  const { dice } = t;
  const [olderThan, limit, status] = [span(dice) * 2, 1 + dice.below(4), dice.pick(["completed", "failed", "cancelled", "expired"])];
  const [back, older] = [dice.below(6), dice.below(2)];
  const sweeps: readonly [Command, ...Command[]] = [
    { what: `sweep tasks ${status}`, run: ({ backend }) => backend.sweep({ what: "tasks", status, olderThan, limit }) },
    { what: "sweep results", run: ({ backend }) => backend.sweep({ what: "results", limit: 1_000 }) },
    { what: "sweep events", run: ({ backend }) => backend.sweep({ what: "events", olderThan: olderThan + 200, limit: 1_000 }) },
    { what: "sweep workers", run: ({ backend }) => backend.sweep({ what: "workers", olderThan, limit: 1_000 }) },
    { what: "sweep occurrences", run: ({ backend }) => backend.sweep({ what: "occurrences", olderThan: olderThan + 100, limit: 1_000 }) },
    { what: "release", run: ({ backend }) => backend.work.release(10) },
    { what: "put a result", run: (place) => putResult(place, back, older) },
    { what: "read events", run: (place) => readEvents(place) },
    { what: "latest", run: async ({ backend }) => (await backend.results.latest("s1"))?.createdAt },
  ];
  return dice.pick(sweeps);
}

async function putResult(place: Place, back: number, older: number): Promise<unknown> {
  const given = claimAt(place, back);
  if (given === undefined) return [];
  return place.backend.results.put([{ taskId: given.task.id, fence: given.fence - older, status: "failed", retryCount: 0, value: "late" }]);
}

/** Everything behind the cursor; the order inside one transaction is not laid down. */
async function readEvents(place: Place): Promise<unknown> {
  const read: string[] = [];
  for (;;) {
    const page = await place.backend.events.read(place.cursor, { limit: 50 });
    read.push(...page.events.map((event) => `${event.at} ${event.taskId ?? ""} ${event.type}`));
    if (page.events.length < 50) {
      place.cursor = page.cursor;
      return read.toSorted();
    }
    place.cursor = page.cursor;
  }
}

function time({ dice }: Throws): Command {
  const ms = span(dice);
  const jump = dice.chance(10) ? 1_000 * (dice.below(3) - 1) : 0;
  return {
    what: `${ms} ms later, the wall clock ${jump} on`,
    run: async ({ clock }) => {
      clock.jump(jump);
      await clock.advance(ms);
    },
  };
}

/** How often of a hundred each is thrown. */
const KINDS: readonly (readonly [number, (t: Throws) => Command])[] = [
  [17, enqueue],
  [19, claim],
  [20, settle],
  [3, progress],
  [5, presence],
  [4, edit],
  [10, desk],
  [6, housekeeping],
  [6, scheduleCommands],
  [10, time],
];

export function throwCommand(t: Throws): Command {
  let rest = t.dice.below(100);
  for (const [share, make] of KINDS) {
    if (rest < share) return make(t);
    rest -= share;
  }
  return time(t);
}
