/** What a claim costs, by how much lies in front of it, behind it and beside it: through the contract, so that nothing but the storage is measured. */
import type { Backend } from "../src/core/backend.ts";
import { STAGE } from "../src/backends/shared/stage.ts";
import { Contract } from "./contract.ts";
import { atMost, median } from "./harness.ts";
import type { Row, Settings, Values, Workload } from "./harness.ts";
import { RESULT } from "./payload.ts";

/** Rows that are there before the first claim. */
export interface Kind {
  readonly what: string;
  readonly stage: number;
  readonly status: string;
  /** Of which the due time lies in a year, so that nothing is promoted. */
  readonly later?: boolean;
  /** Over how many other queues they lie; none: in the worker's own. */
  readonly queues?: number;
}

const KINDS: Readonly<Record<string, Kind>> = {
  ready: { what: "ready", stage: STAGE.ready, status: "pending" },
  finished: { what: "finished, kept", stage: STAGE.finished, status: "completed" },
  delayed: { what: "delayed", stage: STAGE.timed, status: "pending", later: true },
  retrying: { what: "waiting for a retry", stage: STAGE.timed, status: "retrying", later: true },
  blocked: { what: "waiting for a parent", stage: STAGE.blocked, status: "pending" },
  queues: { what: "ready in 1,000 other queues", stage: STAGE.ready, status: "pending", queues: 1_000 },
};

/** A store for one measurement. `put` writes rows of a kind with as little as can be, and tells the planner. */
export interface Bare {
  readonly backend: Backend & { initialize(): Promise<unknown> };
  put(kind: Kind, count: number): Promise<void>;
  remove(): Promise<unknown>;
}
export type Open = (settings: Settings) => Promise<Bare>;

/** Milliseconds of a claim, in the middle; what was claimed is ended, so that each claim finds new rows. */
export async function claimMs(contract: Contract, together: number, claims: number): Promise<number> {
  const times: number[] = [];
  for (let i = -5; i < claims; i++) {
    const began = performance.now();
    const held = await contract.claim(together);
    if (i >= 0) times.push(performance.now() - began);
    if (held.length !== together) throw new Error(`Expected to claim ${together}, got ${held.length}`);
    await contract.end(held, RESULT);
  }
  return median(times);
}

const FEW = 10_000;
const CLAIMS = { 1: 300, 100: 40 } as const;

async function beside(open: Open, settings: Settings, kind?: Kind, count = 0): Promise<Readonly<Record<1 | 100, number>>> {
  const bare = await open(settings);
  const contract = new Contract(bare.backend);
  await contract.open();
  try {
    await bare.put({ what: "ready", stage: STAGE.ready, status: "pending" }, FEW);
    if (kind !== undefined && count > 0) await bare.put(kind, count);
    const one = await claimMs(contract, 1, CLAIMS[1]);
    return { 1: one, 100: await claimMs(contract, 100, CLAIMS[100]) };
  } finally {
    await contract.close();
    await bare.remove();
  }
}

/** Each kind beside 10,000 ready ones of their own; the first round is of those alone. */
export function backlogOf(
  open: Open,
  of: { readonly name: string; readonly what: string },
  limits: { readonly 1: number; readonly 100: number; readonly rounds: number },
): Workload {
  const row = (key: string, what: string, unit: Row["unit"], limit?: number): Row => {
    const base = { key, what: `${of.what}claim of ${what}`, unit };
    return limit === undefined ? base : { ...base, target: atMost(limit, "times") };
  };
  const rowsOf = (together: 1 | 100): Row[] => [
    row(`alone ${together}`, `${together}, 10,000 ready`, "ms"),
    ...Object.entries(KINDS).map(([key, { what }]) =>
      row(`${key} ${together}`, `${together}, 1,000,000 ${what}, to none`, "times", limits[together]),
    ),
  ];
  return {
    name: `${of.name}claim backlog`,
    rounds: limits.rounds,
    rows: [...rowsOf(1), ...rowsOf(100)],
    async omniq(settings): Promise<Values> {
      const values: Record<string, number> = {};
      const alone = await beside(open, settings);
      for (const [key, kind] of Object.entries(KINDS)) {
        const ms = await beside(open, settings, kind, settings.quick ? 100_000 : 1_000_000);
        for (const together of [1, 100] as const) values[`${key} ${together}`] = ms[together] / alone[together];
      }
      return { ...values, "alone 1": alone[1], "alone 100": alone[100] };
    },
  };
}
