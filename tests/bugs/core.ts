/** What a task is, done wrong. */
import type { Bug } from "./bug.ts";

export const CORE_BUGS: readonly Bug[] = [
  {
    what: "a crash counts as a failure",
    file: "src/core/lifecycle.ts",
    find: 'return again(claim, run, "crash", 0, "crashed");',
    replace: 'return retryOrFail(claim, run, { name: "CrashedError", message: "its worker was lost" }, 0);',
  },
  {
    what: "one retry too many",
    file: "src/core/lifecycle.ts",
    find: "if (task.retryCount >= task.maxRetries || !inTime)",
    replace: "if (task.retryCount > task.maxRetries || !inTime)",
  },
  {
    what: "poison one crash too late",
    file: "src/core/lifecycle.ts",
    find: "if (crashes >= task.maxCrashes)",
    replace: "if (crashes > task.maxCrashes)",
  },
  {
    what: "a retry at the very time of the expiry is granted",
    file: "src/core/lifecycle.ts",
    find: "after < claim.expiresIn - run.elapsed",
    replace: "after <= claim.expiresIn - run.elapsed",
  },
  {
    what: "a cancelled task whose worker died runs again",
    file: "src/core/lifecycle.ts",
    find: '  if (task.mark === "cancelled") return end(claim, run, "cancelled", reason);\n',
    replace: "",
  },
  {
    what: "what must not run twice is given back after its handler began",
    file: "src/core/lifecycle.ts",
    find: "if (!claim.task.atMostOnce || run.executionMs === undefined)",
    replace: "if (!claim.task.atMostOnce || run.executionMs !== undefined)",
  },
  {
    what: "every end of a task has the same callback id, so that a second end has none",
    file: "src/core/lifecycle.ts",
    find: "id: `${task.id}.callback${fence}`",
    replace: "id: `${task.id}.callback`",
  },
  {
    what: "a schedule runs once more than asked for",
    file: "src/core/due.ts",
    find: "(row.maxRuns ?? Number.POSITIVE_INFINITY) - row.runCount)",
    replace: "(row.maxRuns ?? Number.POSITIVE_INFINITY) - row.runCount + 1)",
  },
  {
    what: "an occurrence is not due at its own time",
    file: "src/core/due.ts",
    find: "if (first === undefined || first > now) return undefined;",
    replace: "if (first === undefined || first >= now) return undefined;",
  },
  {
    what: "an occurrence whose task was refused counts as a run",
    file: "src/core/occurrence.ts",
    find: 'return occurrences.flatMap((each) => ("id" in each ? [each.id] : []));',
    replace: "return occurrences.map((each) => each.asked);",
  },
];
