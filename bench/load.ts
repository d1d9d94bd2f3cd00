/** What a queue does under loads that are not no-ops: handlers that compute, sets that are large, results that are large, a million tasks. */
import { askOnce } from "./children.ts";
import { atMost, median, rate } from "./harness.ts";
import type { Row, Settings, Values, Workload } from "./harness.ts";
import { fill, OMNIQ, openAt } from "./omniq.ts";
import { Countdown, raced, withPlace, withQueue } from "./queue.ts";
import type { Contender, Field } from "./queue.ts";
import { fill as fillQueue, shareOf } from "./rates.ts";

/** How long a handler computes. */
const BURN = 1;

function burn(): void {
  const until = performance.now() + BURN;
  while (performance.now() < until);
}

/** The floor computes, and does nothing else. */
function computing(field: Field): Workload {
  const rows: readonly Row[] = [{ key: "rate", what: "handlers that compute for 1 ms, 10 slots", unit: "tasks/s" }];
  const countOf = (contender: Contender, settings: Settings): number => shareOf(contender, 3_000, settings);
  const run = (contender: Contender, settings: Settings): Promise<Values> =>
    withQueue(contender, settings, async (queue) => {
      const count = countOf(contender, settings);
      await fillQueue(contender, queue, count);
      const countdown = new Countdown(count);
      const perSecond = await rate(count, async () => {
        await queue.serve(10, () => {
          burn();
          countdown.ran();
        });
        await countdown.over;
      });
      return { rate: perSecond };
    });
  return {
    ...raced(field, { name: "computing", rows, needs: ["serve", "other process"] }, run),
    floor: async (settings) => {
      const count = countOf(OMNIQ, settings);
      const perSecond = await rate(count, () => {
        for (let i = 0; i < count; i++) burn();
      });
      return { rate: perSecond };
    },
  };
}

/** What a task of a large set costs, to one of a small one: more than one and a half, and something grows with the square. */
const large: Workload = {
  name: "large sets",
  rows: [{ key: "times", what: "a task of an enqueueMany of 10,000, to one of 1,000", unit: "times", target: atMost(1.5, "times") }],
  omniq: (settings) =>
    withPlace(OMNIQ, settings, async ({ at }) => {
      const omniq = await openAt(at, settings.durability);
      const msOf = async (count: number): Promise<number> => {
        const times: number[] = [];
        for (let i = 0; i < 5; i++) times.push(1_000 / (await rate(count, () => fill(omniq, count, count))));
        return median(times);
      };
      await fill(omniq, 10_000);
      const small = await msOf(1_000);
      const times = (await msOf(10_000)) / small;
      await omniq.close();
      return { times };
    }),
};

const FEW = 20_000;
const MILLION = 1_000_000;

/** Peaks of a process that drains so many, which return little or 1 MiB each. */
async function peaksOf(settings: Settings, count: number, role: "drain" | "large" = "drain"): Promise<Values> {
  return withPlace(OMNIQ, settings, async ({ at }) => {
    const { scratch, durability } = settings;
    const omniq = await openAt(at, "normal");
    await fill(omniq, count);
    await omniq.close();
    return askOnce(scratch, OMNIQ, { role, at, durability, count });
  });
}

const million: Workload = {
  name: "million",
  rounds: 1,
  rows: [
    { key: "live", what: "heap in use after a drain of 1,000,000, to one of 20,000", unit: "times", target: atMost(1.2, "times") },
    { key: "heap", what: "peak JavaScript heap of a drain of 1,000,000", unit: "MB" },
    { key: "rss", what: "peak memory of a drain of 1,000,000", unit: "MB" },
  ],
  async omniq(settings) {
    const few = await peaksOf(settings, FEW);
    const many = await peaksOf(settings, settings.quick ? MILLION / 10 : MILLION);
    return { ...many, live: (many["live"] ?? Number.NaN) / (few["live"] ?? Number.NaN) };
  },
};

/** 10 of them are held at once, and each is a text, what SQLite is given of it, and a page of the WAL. */
const results: Workload = {
  name: "large results",
  rounds: 1,
  rows: [
    { key: "rss", what: "200 results of 1 MiB at 10 slots, peak memory", unit: "MB", target: atMost(250, "MB") },
    { key: "heap", what: "200 results of 1 MiB at 10 slots, peak JavaScript heap", unit: "MB" },
  ],
  omniq: (settings) => peaksOf(settings, settings.quick ? 50 : 200, "large"),
};

export const loadsOf = (field: Field): readonly Workload[] => [computing(field), large, million, results];
