/** OmniQ's storage alone, through its contract: what the backend costs without façade and worker. For whoever looks for the time. */
import type { Backend, Claim, ClaimAsk, Settlement } from "../src/core/backend.ts";
import { decide } from "../src/core/lifecycle.ts";
import { DEFAULT_POLICY } from "../src/core/task.ts";
import type { NewTask } from "../src/core/task.ts";

const WORKER = "012345678";

export function newTask(id: string, args: string): NewTask {
  return { ...DEFAULT_POLICY, id, func: "noop", args, queue: "default", priority: 0, tags: [], dependsOn: [] };
}

/** A backend that makes its own tables. */
type Store = Backend & { initialize(): Promise<unknown> };

export class Contract {
  readonly #backend: Store;

  constructor(backend: Store) {
    this.#backend = backend;
  }

  async open(): Promise<void> {
    await this.#backend.initialize();
    const identity = { host: "bench", boot: "bench", pid: process.pid, started: "0" };
    const serves = { role: "worker", leaseMs: 30_000, queues: ["default"], names: ["noop"], concurrency: 100 } as const;
    await this.#backend.presence.arrive({ worker: WORKER, ...identity, ...serves });
  }

  async close(): Promise<void> {
    await this.#backend.close();
  }

  async enqueue(ids: readonly string[], args: string): Promise<void> {
    await this.#backend.work.enqueue([{ tasks: ids.map((id) => newTask(id, args)), announce: true }]);
  }

  async claim(limit: number): Promise<readonly Claim[]> {
    return (await this.#backend.work.claim(askFor(limit))).claims;
  }

  async end(claims: readonly Claim[], result: string): Promise<void> {
    await this.#backend.work.settle(ended(claims, result));
  }

  /** Claims and ends everything, or so many, `slots` at a time. */
  async drain(slots: number, result: string, count = Number.POSITIVE_INFINITY): Promise<number> {
    const ask = askFor(slots);
    let done = 0;
    let claims = await this.claim(slots);
    while (claims.length > 0) {
      done += claims.length;
      const { next } = await this.#backend.work.settle(ended(claims, result), done < count ? ask : undefined);
      claims = next?.claims ?? [];
    }
    return done;
  }
}

function askFor(limit: number): ClaimAsk {
  return { worker: WORKER, limit, of: { due: true, queues: ["default"], names: ["noop"], announce: true } };
}

function ended(claims: readonly Claim[], result: string): readonly Settlement[] {
  const facts = { worker: WORKER, elapsed: 0.1, executionMs: 0.0123, random: Math.random };
  return claims.map((claim) => decide(claim, { kind: "returned", value: result }, facts));
}
