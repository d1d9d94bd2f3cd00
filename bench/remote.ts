/** A queue that another runtime works, as it is told: what is measured runs there, and a message each way is all that is added. */
import { Child } from "./children.ts";
import { sharedNow } from "./clock.ts";
import type { Durability } from "./floor.ts";
import type { Contender, Queue } from "./queue.ts";

export async function remote(contender: Contender, at: string, durability: Durability): Promise<Queue> {
  const child = new Child(undefined, contender, { role: "queue", at, durability });
  await child.next();
  const ask = async (verb: keyof Queue, ...args: readonly unknown[]): Promise<void> => {
    child.say({ verb, args });
    await child.next();
  };
  return {
    enqueue: (count, together, inOne) => ask("enqueue", count, together, inOne),
    drain: (slots, count) => ask("drain", slots, count),
    async serve(slots, started) {
      child.hear(({ ms = Number.NaN }) => started(sharedNow() - ms));
      await ask("serve", slots);
    },
    send: (at_) => ask("send", at_),
    async close() {
      await ask("close");
      await child.end();
    },
  };
}
