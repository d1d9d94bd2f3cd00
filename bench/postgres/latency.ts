/** From the enqueue to the start of the handler in another process, where its worker is idle. */
import { Child } from "../children.ts";
import { sharedNow, timed } from "../child.ts";
import { atMost } from "../harness.ts";
import type { Workload } from "../harness.ts";
import { percentilesOf, sample } from "../latency.ts";
import { onSchema, openOn } from "./server.ts";

const what = (share: string): string => `PostgreSQL: enqueue to handler, other process, ${share}`;

export const LATENCY: Workload = {
  name: "pg latency",
  rows: [
    { key: "p50", what: what("p50"), unit: "ms" },
    { key: "p95", what: what("p95"), unit: "ms" },
    { key: "p99", what: what("p99"), unit: "ms", target: atMost(25, "ms") },
  ],
  omniq: (settings) =>
    onSchema(async (schema) => {
      const omniq = await openOn(schema);
      const child = new Child(settings.scratch, { role: "serve", schema, path: "", durability: settings.durability, ms: 0 });
      await child.next();
      const times = await sample(settings, async () => {
        await omniq.enqueue(timed, { at: sharedNow() });
        return (await child.next()).values?.["ms"] ?? Number.NaN;
      });
      await child.end();
      await omniq.close();
      return percentilesOf(times);
    }),
};
