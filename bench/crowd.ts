/** Several processes on one file: what they do together, how evenly, and how long the others hold an event loop. */
import { Child } from "./children.ts";
import { atMost, sum } from "./harness.ts";
import type { Row, Settings, Target, Values, Workload } from "./harness.ts";
import { raced, withPlace } from "./queue.ts";
import type { Contender, Field } from "./queue.ts";
import { fill, shareOf } from "./rates.ts";

const TASKS = 40_000;
const SLOTS = 100;

/** Tasks a second of so many processes together, the largest share to the smallest, and the longest that a loop was held. */
async function together(contender: Contender, settings: Settings, processes: number): Promise<Values> {
  return withPlace(contender, settings, async ({ at }) => {
    const { scratch, durability } = settings;
    const count = shareOf(contender, TASKS, settings);
    const queue = await contender.open(at, durability);
    await fill(contender, queue, count);
    await queue.close();
    const children = Array.from(
      { length: processes },
      () => new Child(scratch, contender, { role: "share", at, durability, count: SLOTS }),
    );
    try {
      for (const child of children) await child.next();
      const ran = children.map(() => 0);
      const held = children.map(() => 0);
      const over = new Promise<void>((resolve) => {
        for (const [i, child] of children.entries())
          child.hear((values) => {
            ran[i] = values["ran"] ?? 0;
            held[i] = values["held"] ?? 0;
            if (sum(ran) >= count) resolve();
          });
      });
      const began = performance.now();
      for (const child of children) child.say({ verb: "begin" });
      await over;
      const rate = count / ((performance.now() - began) / 1_000);
      if (sum(ran) !== count) throw new Error(`Expected ${count} runs, got ${sum(ran)}: a task ran twice`);
      return { rate, uneven: Math.max(...ran) / Math.max(1, Math.min(...ran)), held: Math.max(...held) };
    } finally {
      for (const child of children) await child.end();
    }
  });
}

/** At `full` the processes wait for each other's commits; at `normal` hardly. */
const PARTS = { full: 0.6, normal: 0.9 } as const;

async function fourToOne(contender: Contender, settings: Settings): Promise<Values> {
  const one = await together(contender, settings, 1);
  const four = await together(contender, settings, 4);
  const part = (four["rate"] ?? 0) / (one["rate"] ?? 1);
  return { ...four, part, alone: one["held"] ?? 0 };
}

export function crowdsOf(field: Field, durability: keyof typeof PARTS): readonly Workload[] {
  const least = PARTS[durability];
  const target: Target = { text: `≥ ${least} of one process`, met: ({ omniq }) => omniq >= least };
  const row = (key: string, what: string, unit: Row["unit"], goal?: Target): Row => {
    const base = { key, what: `4 processes on one file: ${what}`, unit };
    return goal === undefined ? base : { ...base, target: goal };
  };
  const rows = [
    row("rate", "drain together", "tasks/s"),
    row("part", "to one process alone", "times", target),
    row("uneven", "largest share to smallest", "times", atMost(2, "times")),
    row("held", "event loop held at most", "ms", atMost(50, "ms")),
    row("alone", "event loop held at most by one process alone", "ms"),
  ];
  const { omniq, peers = {} } = raced(field, { name: "crowd", rows, needs: ["serve", "other process"] }, fourToOne);
  return [{ name: "crowd", rows, rounds: 3, omniq, peers }];
}
