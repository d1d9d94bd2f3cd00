/** A transaction of `pg` around what you do with its client, which is OmniQ's `tx` as it is: all of it or nothing. */
import type { Pool, PoolClient } from "pg";

export async function inTransaction<Answer>(pool: Pool, work: (client: PoolClient) => Promise<Answer>, begin = "BEGIN"): Promise<Answer> {
  const client = await pool.connect();
  try {
    await client.query(begin);
    const answer = await work(client);
    await client.query("COMMIT");
    client.release();
    return answer;
  } catch (error) {
    // A client that cannot even roll back is closed.
    await client.query("ROLLBACK").then(
      () => client.release(),
      () => client.release(true),
    );
    throw error;
  }
}
