/** How PostgreSQL keeps it, done wrong. */
import type { Bug } from "./bug.ts";

export const POSTGRES_BUGS: readonly Bug[] = [
  {
    what: "a zombie's fence is good enough to settle",
    file: "src/backends/postgres/settle.ts",
    find: "t.id = j.i AND t.fence = j.f AND",
    replace: "t.id = j.i AND t.fence >= j.f AND",
  },
  {
    what: "a unique key is never let go",
    file: "src/backends/postgres/settle.ts",
    find: "unique_key = CASE WHEN s.n IS NULL AND t.unique_until < 0 THEN NULL",
    replace: "unique_key = CASE WHEN s.n IS NULL AND t.unique_until > 0 THEN NULL",
  },
  {
    what: "events of a settlement that was refused are written",
    file: "src/backends/postgres/settle.ts",
    find: "WHERE e.w IN (SELECT id FROM settled))",
    replace: "WHERE e.w IS NOT NULL)",
  },
  {
    what: "the result of a settlement that was refused is written",
    file: "src/backends/postgres/settle.ts",
    find: "WHERE r.t IN (SELECT id FROM settled)`",
    replace: "WHERE r.t IS NOT NULL`",
  },
  {
    what: "two workers claim one row: its lock is dropped",
    file: "src/backends/postgres/claim.ts",
    find: "IS NOT DISTINCT FROM (q.name, s.name) FOR UPDATE SKIP LOCKED) AS l",
    replace: "IS NOT DISTINCT FROM (q.name, s.name)) AS l",
  },
  {
    what: "a worker that has beaten meanwhile loses its claims",
    file: "src/backends/postgres/claim.ts",
    find: "WHERE id = $1 AND beat = $2 FOR UPDATE",
    replace: "WHERE id = $1 AND beat >= $2 FOR UPDATE",
  },
  {
    what: "a task is not due at its own time",
    file: "src/backends/postgres/claim.ts",
    find: "WHERE stage = ${STAGE.timed} AND due_at <= {now}\n",
    replace: "WHERE stage = ${STAGE.timed} AND due_at < {now}\n",
  },
  {
    what: "a paused queue is claimed from",
    file: "src/backends/postgres/claim.ts",
    find: "p.paused_at IS NOT NULL)\n    LIMIT $3::bigint),\n  taken",
    replace: "p.paused_at < 0)\n    LIMIT $3::bigint),\n  taken",
  },
  {
    what: "a task is started at its expiry",
    file: "src/backends/postgres/claim.ts",
    find: "stage = CASE WHEN t.expires_at <= {now} THEN",
    replace: "stage = CASE WHEN t.expires_at < {now} THEN",
  },
  {
    what: "the fence of a deleted task comes back with its id",
    file: "src/backends/postgres/claim.ts",
    find: "greatest(t.fence, (SELECT floor FROM facts)) + 1",
    replace: "t.fence + 1",
  },
  {
    what: "what is behind the heads of a claim is passed over",
    file: "src/backends/postgres/claim.ts",
    find: "AND t.priority < h.p ORDER BY",
    replace: "AND t.priority < h.p - 1 ORDER BY",
    tests: ["tests/integration/postgres/held.test.ts"],
  },
  {
    what: "a child is set free before its last parent has ended",
    file: "src/backends/postgres/release.ts",
    find: "WHEN t.open_parents > 1 THEN t.stage WHEN",
    replace: "WHEN t.open_parents > 2 THEN t.stage WHEN",
  },
  {
    what: "a parent that is requeued while its child is being written is not told of it",
    file: "src/backends/postgres/parents.ts",
    find: "if (missed.length === 0) return rows;",
    replace: "return rows;",
  },
  {
    what: "a schedule fires twice for two workers that read it at once",
    file: "src/backends/postgres/schedules.ts",
    find: "WHERE id = $1 AND revision = $2 AND status IS NOT DISTINCT FROM 'active' FOR UPDATE",
    replace: "WHERE id = $1 AND revision >= $2 AND status IS NOT DISTINCT FROM 'active' FOR UPDATE",
  },
  {
    what: "a paused schedule fires",
    file: "src/backends/postgres/schedules.ts",
    find: "AND revision = $2 AND status IS NOT DISTINCT FROM 'active' FOR UPDATE",
    replace: "AND revision = $2 AND status <> 'completed' FOR UPDATE",
  },
  {
    what: "a parent with open children is swept",
    file: "src/backends/postgres/desk.ts",
    find: "(EXISTS (SELECT 1 FROM {dependencies} d WHERE d.parent = ${id})\n  OR",
    replace: "(false AND EXISTS (SELECT 1 FROM {dependencies} d WHERE d.parent = ${id})\n  OR",
  },
  {
    what: "a child that was freed does not keep its parent",
    file: "src/backends/postgres/release.ts",
    find: "SELECT $1, child FROM cut ON",
    replace: "SELECT $1, child FROM cut WHERE false ON",
  },
  {
    what: "part of a call that was refused is written",
    file: "src/backends/postgres/lane.ts",
    find: "    return !added.refused;",
    replace: "    return true;",
  },
  {
    what: "an enqueue whose answer was lost is told of as somebody else's",
    file: "src/backends/postgres/lane.ts",
    find: "doubt ||= unheard;",
    replace: "doubt ||= unheard && false;",
    tests: ["tests/integration/postgres/faults.test.ts"],
  },
  {
    what: "a claim whose answer was lost is never answered again",
    file: "src/backends/postgres/ledger.ts",
    find: "if (account.inDoubt && account.underWay === 0)",
    replace: "if (account.inDoubt && account.underWay < 0)",
    tests: ["tests/unit/backends/postgres-ledger.test.ts"],
  },
  {
    what: "a requeued task keeps its retries",
    file: "src/backends/postgres/desk.ts",
    find: "attempt = 0, retry_count = 0, crash_count",
    replace: "attempt = 0, crash_count",
  },
];
