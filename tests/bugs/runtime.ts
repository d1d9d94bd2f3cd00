/** What has a heartbeat, done wrong. */
import type { Bug } from "./bug.ts";

export const RUNTIME_BUGS: readonly Bug[] = [
  {
    what: "a jump of the wall clock kills workers",
    file: "src/runtime/lookout.ts",
    find: "const now = this.#clock.monotonic();\n    const dead",
    replace: "const now = this.#clock.now();\n    const dead",
  },
  {
    what: "a worker that beats is taken for dead",
    file: "src/runtime/lookout.ts",
    find: "before?.beat === row.beat ? before :",
    replace: "before !== undefined ? before :",
  },
  {
    what: "a worker is dead after half its lease",
    file: "src/runtime/lookout.ts",
    find: "now - since >= row.leaseMs ||",
    replace: "now - since >= row.leaseMs / 2 ||",
  },
  {
    what: "a settlement that could not be written is forgotten",
    file: "src/runtime/pump.ts",
    find: "      if (set.length > 0) settler.putBack(set);\n",
    replace: "",
  },
  {
    what: "a worker that could not beat goes on claiming",
    file: "src/runtime/pump.ts",
    find: "    if (this.#options.isSilent()) return false;\n",
    replace: "",
  },
  {
    what: "a drain ends on a claim that did not look at all",
    file: "src/runtime/pump.ts",
    find: "if (this.#isPartial && this.#rests.length > 0) {",
    replace: "if (this.#isPartial && this.#rests.length < 0) {",
    tests: ["tests/unit/runtime/worker.test.ts"],
  },
  {
    what: "claims are not asked for again after an error of the store",
    file: "src/runtime/pump.ts",
    find: "      if (set.length > 0) settler.putBack(set);\n      if (ask !== undefined) this.#due = true;\n",
    replace: "      if (set.length > 0) settler.putBack(set);\n",
  },
  {
    what: "a task that expired while it waited in the worker is started",
    file: "src/runtime/slots.ts",
    find: "clock.monotonic() - since >= claim.expiresIn",
    replace: "claim.expiresIn <= 0",
  },
  {
    what: "a handler that returns after its timeout completes the task",
    file: "src/runtime/execution.ts",
    find: 'if (this.#asked !== undefined || this.#interrupt === "timeout") return',
    replace: "if (this.#asked !== undefined) return",
  },
  {
    what: "the outcome of a run whose claim was lost is written",
    file: "src/runtime/execution.ts",
    find: "this.#host.ended(this, this.#lost ? undefined : outcome);",
    replace: "this.#host.ended(this, outcome);",
  },
  {
    what: "a cancelled handler that throws is retried",
    file: "src/runtime/execution.ts",
    find: '    if (this.#cancelled) return { kind: "cancelled" };\n',
    replace: "",
  },
  {
    what: "a settlement is written before its result, where that lies elsewhere",
    file: "src/runtime/stores.ts",
    find: "if (values.length > 0) await results.results.put(values);",
    replace: "if (values.length > 0) void Promise.resolve().then(() => results.results.put(values));",
  },
  {
    what: "one schedule that fails keeps the others",
    file: "src/runtime/scheduler.ts",
    find: "      if (asks.length === 1) throw error;",
    replace: "      throw error;",
  },
  {
    what: "children of ended parents beyond the first batch are never freed",
    file: "src/runtime/upkeep.ts",
    find: "if (!(await this.#options.stores.main.work.release(INLINE_RELEASES))) return false;",
    replace: "return false;",
  },
  {
    what: "what is to be kept for ever is swept",
    file: "src/runtime/retention.ts",
    find: "return value === false ? undefined : milliseconds(value, `retention.${kind}`);",
    replace: "return value === false ? 0 : milliseconds(value, `retention.${kind}`);",
  },
  {
    what: "what was claimed and not started is forgotten at the stop",
    file: "src/runtime/session.ts",
    find: "    for (const run of this.#slots.withdrawAll()) this.#giveBack(run);\n    const looks",
    replace: "    this.#slots.withdrawAll();\n    const looks",
  },
  {
    what: "two tasks that one more crash would end run together",
    file: "src/runtime/fragile.ts",
    find: "if (others.length === 0) return false;",
    replace: "if (others.length >= 0) return false;",
  },
];
