/** `npm run bench:profile`: where a drain's time goes, by a CPU profile of the worker's process; of OmniQ and of bare SQL beside it. */
import type { Profiler } from "node:inspector";
import { Session } from "node:inspector/promises";
import { FLOOR } from "./floor-queue.ts";
import { OMNIQ, OMNIQ_AHEAD } from "./omniq.ts";
import { FLOOR as SERVER_FLOOR } from "./postgres/floor-queue.ts";
import { OMNIQ as SERVER_OMNIQ } from "./postgres/omniq.ts";
import { serverText } from "./postgres/server.ts";
import { withQueue } from "./queue.ts";
import type { Contender } from "./queue.ts";
import { Scratch } from "./scratch.ts";
import { aligned } from "./table.ts";

const TASKS = 20_000;
const INTERVAL_MICROSECONDS = 200;
const QUICK = process.argv.includes("--quick");

/** The parts of the whole, by what a sample's innermost frame is; the first that matches. */
const PARTS: readonly (readonly [name: string, is: (frame: Frame) => boolean])[] = [
  ["waiting (for a server, for nothing)", ({ functionName }) => functionName === "(idle)"],
  ["collecting garbage", ({ functionName }) => functionName === "(garbage collector)"],
  ["SQLite itself, with the disk", ({ url, functionName }) => url === "" && functionName !== "(program)" && functionName !== "(root)"],
  ["storage: src/backends", ({ url }) => url.includes("/src/backends/")],
  ["worker: src/runtime", ({ url }) => url.includes("/src/runtime/")],
  ["the rest of OmniQ: src", ({ url }) => url.includes("/src/")],
  ["bare SQL, and the bench: bench", ({ url }) => url.includes("/bench/") && !url.includes("/node_modules/")],
  ["driver: pg", ({ url }) => url.includes("/node_modules/")],
  ["Node: sockets, promises, native code", () => true],
];
type Frame = Profiler.ProfileNode["callFrame"];

function sharesOf({ nodes, samples = [] }: Profiler.Profile): ReadonlyMap<string, number> {
  const partOf = new Map(nodes.map(({ id, callFrame }) => [id, PARTS.find(([, is]) => is(callFrame))?.[0] ?? ""]));
  const counts = new Map<string, number>();
  for (const id of samples) {
    const part = partOf.get(id) ?? "";
    counts.set(part, (counts.get(part) ?? 0) + 1);
  }
  return new Map([...counts].map(([part, count]) => [part, (100 * count) / samples.length]));
}

async function profiled(contender: Contender, scratch: Scratch): Promise<ReadonlyMap<string, number>> {
  const count = QUICK ? TASKS / 10 : TASKS;
  return await withQueue(contender, { scratch, durability: "full", quick: QUICK }, async (queue) => {
    await queue.enqueue(count, 1_000, true);
    const session = new Session();
    session.connect();
    await session.post("Profiler.enable");
    await session.post("Profiler.setSamplingInterval", { interval: INTERVAL_MICROSECONDS });
    await session.post("Profiler.start");
    await queue.drain(100, count);
    const { profile } = await session.post("Profiler.stop");
    session.disconnect();
    return sharesOf(profile);
  });
}

const scratch = new Scratch();
try {
  const subjects: (readonly [name: string, contender: Contender])[] = [
    ["on a file", OMNIQ],
    ["on a file, prefetch 64", OMNIQ_AHEAD],
    ["bare SQL on a file", FLOOR],
  ];
  if ((await serverText()) !== undefined) subjects.push(["on PostgreSQL", SERVER_OMNIQ], ["bare SQL on PostgreSQL", SERVER_FLOOR]);
  const columns: ReadonlyMap<string, number>[] = [];
  for (const [name, contender] of subjects) {
    process.stderr.write(`${name} …\n`);
    columns.push(await profiled(contender, scratch));
  }
  const cell = (share = 0): string => (share < 0.5 ? "" : `${share.toFixed(0)} %`);
  const rows = PARTS.map(([part]) => [part].concat(columns.map((shares) => cell(shares.get(part)))));
  console.log(aligned([`drain at 100 slots, ${QUICK ? TASKS / 10 : TASKS} tasks`, ...subjects.map(([name]) => name)], rows));
} finally {
  scratch.remove();
}
