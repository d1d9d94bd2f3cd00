/** Enqueues on their way: calls that come while a statement is under way share the next one. */
import type { Enqueued, EnqueueCall } from "../../core/backend.ts";
import { StorageError } from "../../core/errors.ts";
import type { Db } from "./db.ts";
import type { Engine } from "./engine.ts";
import { addCall, addCommon, isCommon } from "./enqueue.ts";

/** Tasks of one statement at most, unless one call has more. */
const LARGEST = 1_000;

interface Waiting {
  readonly call: EnqueueCall;
  readonly resolve: (answers: readonly Enqueued[]) => void;
  readonly reject: (error: unknown) => void;
}

export class Lane {
  readonly #engine: Engine;
  #waiting: Waiting[] = [];
  /** One at a time: calls take effect in the order in which they were made. */
  #isUnderWay = false;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  enqueue(call: EnqueueCall): Promise<readonly Enqueued[]> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ call, resolve, reject });
      // Calls of the same turn go together.
      if (this.#waiting.length === 1) queueMicrotask(() => void this.#go());
    });
  }

  async #go(): Promise<void> {
    if (this.#isUnderWay || this.#waiting.length === 0) return;
    this.#isUnderWay = true;
    try {
      const group = this.#next();
      if (group.length > 0) await this.#fly(group);
    } finally {
      this.#isUnderWay = false;
      if (this.#waiting.length > 0) void this.#go();
    }
  }

  /** What goes in one statement: common calls that are announced alike; any other by itself. */
  #next(): readonly Waiting[] {
    const [first] = this.#waiting;
    if (first === undefined) return [];
    const together = (each: Waiting): boolean => isCommon(each.call) && each.call.announce === first.call.announce;
    let tasks = 0;
    let until = 0;
    for (const each of this.#waiting) {
      tasks += each.call.tasks.length;
      if (until > 0 && (!together(each) || !isCommon(first.call) || tasks > LARGEST)) break;
      until++;
    }
    return this.#waiting.splice(0, until);
  }

  async #fly(group: readonly Waiting[]): Promise<void> {
    const [first] = group;
    let inDoubt = false;
    if (first !== undefined && isCommon(first.call)) {
      try {
        const calls = group.map(({ call }) => call);
        const answers = await this.#engine.single((db) => addCommon(db, calls), "unsent");
        for (const [i, each] of group.entries()) each.resolve(answers[i] ?? []);
        return;
      } catch (error) {
        // An id that is there already, a value that the database refuses, a cut connection: each call bears what is its own.
        inDoubt = error instanceof StorageError && error.code === "STORAGE_UNREACHABLE";
      }
    }
    for (const each of group) await this.#alone(each, inDoubt);
  }

  async #alone({ call, resolve, reject }: Waiting, inDoubt: boolean): Promise<void> {
    let doubt = inDoubt;
    try {
      const answers = await this.#engine.transact((db, unheard) => {
        doubt ||= unheard;
        return addWhole(db, call);
      }, "harmless");
      resolve(doubt ? answers.map((answer, i) => byUs(answer, call.tasks[i]?.id)) : answers);
    } catch (error) {
      reject(error);
    }
  }
}

/** What is known under the very id that was sent before was written by that attempt: only its answer was lost. */
function byUs(answer: Enqueued, id: string | undefined): Enqueued {
  return answer.is === "known" && answer.id === id ? { is: "added", id } : answer;
}

/** All of a call, or what refused it. */
async function addWhole(db: Db, call: EnqueueCall): Promise<readonly Enqueued[]> {
  let answers: readonly Enqueued[] = [];
  await db.attempt(async () => {
    const added = await addCall(db, call, "mark");
    answers = added.answers;
    return !added.refused;
  });
  return answers;
}
