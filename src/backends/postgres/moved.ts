/** Learning that nothing is written here any more without writing anything. */
import type { Db, Sql } from "./db.ts";

/** The triggers that refuse all writes are there for each statement, also for one that finds no row. */
const NOTHING: Sql = "UPDATE {tasks} SET revision = revision WHERE false";

/** @throws what every write is refused with. */
export async function refuseMoved(db: Db): Promise<void> {
  await db.run(NOTHING);
}
