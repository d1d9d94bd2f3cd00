/** The moments of transactions on a server. */
import { Client } from "pg";
import { reachAll, teller, Written } from "./points.ts";

/** Makes them known in this process, each connection by itself: a statement outside of BEGIN and COMMIT is a transaction. */
export function watchServer(): void {
  const own: unknown = Reflect.get(Client.prototype, "query");
  if (typeof own !== "function") throw new TypeError("Expected a client of pg to have query()");
  const verbsIn = teller("postgres");
  const all = new WeakMap<Client, Written>();
  const query = async function query(this: Client, config: { readonly text: string }): Promise<unknown> {
    const written = all.get(this) ?? new Written();
    all.set(this, written);
    const sql = config.text;
    if (sql.startsWith("BEGIN")) written.begin(true);
    const ends = sql === "COMMIT" ? [...written.verbs] : written.isOpen ? [] : verbsIn(sql);
    reachAll(ends, "before");
    const answer: Promise<unknown> = Reflect.apply(own, this, [config]);
    reachAll(ends, "sent");
    const result = await answer;
    if (written.isOpen) written.add(verbsIn(sql));
    reachAll(ends, "after");
    if (sql === "COMMIT" || sql === "ROLLBACK") written.begin(false);
    return result;
  };
  Reflect.set(Client.prototype, "query", function watched(this: Client, config: unknown, ...rest: readonly unknown[]): unknown {
    const isOurs =
      typeof config === "object" && config !== null && "text" in config && typeof config.text === "string" && rest.length === 0;
    return isOurs ? Reflect.apply(query, this, [config]) : Reflect.apply(own, this, [config, ...rest]);
  });
}
