/** The floor on PostgreSQL as one of the field: bare SQL that writes the rows of OmniQ, woken by bare notifications. */
import { idsFor } from "../floor-queue.ts";
import { ARGS, RESULT } from "../payload.ts";
import type { Contender, Queue } from "../queue.ts";
import { PgFloor } from "./floor.ts";
import { schemaPlace } from "./server.ts";

/** More than any measurement takes: to make an id is no work of the floor's. */
const IDS = 40_000;

function queueOf(floor: PgFloor): Queue {
  const ids = idsFor(IDS);
  let used = 0;
  const take = (count: number): readonly string[] => ids.slice(used, (used += count));
  return {
    async enqueue(count, together) {
      for (let done = 0; done < count; done += together) await floor.enqueue(take(Math.min(together, count - done)), ARGS);
    },
    async drain(slots, count) {
      const done = await floor.drain(slots, RESULT);
      if (done !== count) throw new Error(`Expected ${count} tasks to be drained, got ${done}`);
    },
    async serve(slots, started) {
      await floor.listen(async () => {
        const held = await floor.turn([], slots, RESULT);
        for (const { args } of held) started(Number(JSON.parse(args).at));
        await floor.turn(held, 0, RESULT);
      });
    },
    async send(at) {
      await floor.enqueue(take(1), JSON.stringify({ at }));
      await floor.notify();
    },
    close: () => floor.close(),
  };
}

export const FLOOR: Contender = {
  name: "floor",
  note: "bare SQL that writes the same rows in the same transactions",
  module: "postgres/floor-queue",
  place: schemaPlace,
  open: async (at) => queueOf(await PgFloor.open(at)),
};

export const contenders: readonly Contender[] = [FLOOR];
