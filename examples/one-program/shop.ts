/**
 * One program: tasks with retries, a workflow, a schedule, results and events, and a worker beside them. Where it all lies is one URL:
 *
 *   node shop.ts
 *   OMNIQ_URL=postgres://postgres@127.0.0.1:5432/postgres node shop.ts
 */
import { defineTask, OmniQ } from "omniq";

const url = process.env["OMNIQ_URL"] ?? "sqlite:./shop.db";
const omniq = new OmniQ({ url });

let declined = false;
const charge = defineTask({
  name: "charge",
  maxRetries: 2,
  retryDelay: "10ms",
  handler: ({ order, cents }: { order: string; cents: number }) => {
    // The first try of the whole program fails, as payments do.
    if (!declined) {
      declined = true;
      throw new Error("the bank did not answer");
    }
    return { order, paid: cents };
  },
});
const pack = defineTask({ name: "pack", handler: ({ order }: { order: string }) => `${order} is packed` });
const report = defineTask({ name: "report", handler: () => "all is well" });

const worker = omniq.worker({ tasks: [charge, pack, report], concurrency: 5 });
await worker.start();

const paid = await omniq.enqueue(charge, { order: "o-1", cents: 1_250 });
const packed = await omniq.enqueue(pack, { order: "o-1" }, { dependsOn: [paid] });
console.log("charged:", await paid.result({ timeout: "30s" }));
console.log("packed:", await packed.result({ timeout: "30s" }));

const many = await omniq.enqueueMany(["o-2", "o-3", "o-4"].map((order) => charge.with({ order, cents: 100 })));
let sum = 0;
for (const handle of many) sum += (await handle.result({ timeout: "30s" })).paid;
console.log("three more:", sum);

const schedule = await omniq.schedule(report, undefined, { id: "report", every: "100ms", maxRuns: 2 });
let told: unknown;
while (told === undefined) told = (await schedule.latest())?.result;
console.log("reported:", told);

const events = await paid.events();
console.log("what became of the first:", events.map(({ eventType }) => eventType).join(", "));
await schedule.delete();
await omniq.close();
