/** OmniQ's storage alone, through its contract: what the backend costs without façade and worker. For whoever looks for the time. */
import type { Claim } from "../src/core/backend.ts";
import { decide } from "../src/core/lifecycle.ts";
import { DEFAULT_POLICY } from "../src/core/task.ts";
import type { NewTask } from "../src/core/task.ts";
import { SQLiteBackend } from "../src/sqlite.ts";
import type { Durability } from "./floor.ts";

const WORKER = "0123456789ab";

export function newTask(id: string, args: string): NewTask {
  return { ...DEFAULT_POLICY, id, func: "noop", args, queue: "default", priority: 0, tags: [], dependsOn: [] };
}

export class Contract {
  readonly #backend: SQLiteBackend;

  constructor(path: string, durability: Durability) {
    this.#backend = new SQLiteBackend({ path, durability });
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

  async drain(slots: number, result: string): Promise<number> {
    const { work } = this.#backend;
    const ask = {
      worker: WORKER,
      limit: slots,
      of: { due: true, queues: ["default"], names: ["noop"], announce: true },
    } as const;
    let done = 0;
    let claims: readonly Claim[] = (await work.claim(ask)).claims;
    while (claims.length > 0) {
      const facts = { worker: WORKER, elapsed: 0.1, executionMs: 0.0123, random: Math.random };
      const set = claims.map((claim) => decide(claim, { kind: "returned", value: result }, facts));
      const { next } = await work.settle(set, ask);
      done += set.length;
      claims = next?.claims ?? [];
    }
    return done;
  }
}
