/** Learning that nothing is written here any more without writing anything. */
import type { Db } from "./db.ts";

/** The triggers that refuse all writes are asked by a row that is taken back at once. @throws what every write is refused with. */
export function refuseMoved(db: Db): void {
  db.attempt(() => {
    db.run("INSERT INTO {queues}(name) VALUES ('') ON CONFLICT DO NOTHING");
    return false;
  });
}
