import type { NewResult } from "../../core/result.ts";
import { newTask } from "./bench.ts";
import type { Chapter } from "./bench.ts";

const result = (taskId: string, given: Partial<NewResult> = {}): NewResult => ({ taskId, status: "completed", retryCount: 0, ...given });

export const results: Chapter = {
  title: "results",
  tests: {
    "a result reads back as it was put": async (b) => {
      const full = result("a", {
        fence: 3,
        status: "failed",
        error: { name: "TypeError", message: "ünexpected", stack: "at x\n at y", code: "E" },
        ttl: 100,
        scheduleId: "s",
        worker: "w",
        executionMs: 1.5,
        retryCount: 2,
        createdAt: b.now - 5,
        startedAt: b.now - 9,
        completedAt: b.now - 6,
      });
      await b.backend.results.put([full, result("b", { value: '"ü"' })]);
      b.expect(await b.backend.results.get(["b", "nobody", "a"])).toEqual([
        { ...result("b", { value: '"ü"' }), createdAt: b.now, completedAt: b.now },
        undefined,
        { ...full, expiresAt: b.now + 95 },
      ]);
    },
    "a result needs no task here": async (b) => {
      b.expect(await b.backend.results.put([result("elsewhere", { value: "1" })])).toEqual(["put"]);
      b.expect(await b.backend.results.get(["elsewhere"])).toMatchObject([{ value: "1" }]);
    },
    "the latest replaces the whole row": async (b) => {
      await b.backend.results.put([result("a", { fence: 1, status: "failed", error: { name: "E", message: "m" }, worker: "w", ttl: 5 })]);
      b.expect(await b.backend.results.put([result("a", { fence: 2, value: "2" })])).toEqual(["put"]);
      b.expect(await b.backend.results.get(["a"])).toEqual([
        { ...result("a", { fence: 2, value: "2" }), createdAt: b.now, completedAt: b.now },
      ]);
    },
    "a lower fence never overwrites a higher one; the same one may again": async (b) => {
      const put = async (fence: number | undefined, value: string) =>
        (await b.backend.results.put([result("a", { value, ...(fence === undefined ? {} : { fence }) })]))[0];
      b.expect([await put(5, "five"), await put(4, "four"), await put(5, "again"), await put(6, "six"), await put(5, "late")]).toEqual([
        "put",
        "older",
        "put",
        "put",
        "older",
      ]);
      b.expect(await b.backend.results.get(["a"])).toMatchObject([{ value: "six", fence: 6 }]);
    },
    "a result by hand, without a fence, replaces another one, and is replaced by one with a fence": async (b) => {
      const put = async (given: Partial<NewResult>) => (await b.backend.results.put([result("a", given)]))[0];
      b.expect([await put({ value: "1" }), await put({ value: "2" }), await put({ value: "3", fence: 1 })]).toEqual(["put", "put", "put"]);
      b.expect(await put({ value: "4" }), "no task here says that it is later").toBe("older");
      b.expect(await b.backend.results.get(["a"])).toMatchObject([{ value: "3", fence: 1 }]);
      await b.backend.results.remove(["a"]);
      b.expect(await put({ value: "5" })).toBe("put");
    },
    "a result by hand, without a fence, replaces none of the current claim, but one of an earlier claim": async (b) => {
      await b.add(newTask("a", { maxRetries: 1 }));
      const put = async (given: Partial<NewResult>) => (await b.backend.results.put([result("a", given)]))[0];
      await b.end(await b.one(), { kind: "retry", after: 0 });
      const first = (await b.get("a")).fence;
      await put({ value: "first", fence: first });
      b.expect(await put({ value: "late" })).toBe("older");
      const claim = await b.one();
      b.expect(await put({ value: "by hand" })).toBe("put");
      b.expect(await put({ value: "of the first", fence: first })).toBe("put");
      await b.end(claim, { kind: "returned", value: '"true"' });
      b.expect(await put({ value: "late" })).toBe("older");
      b.expect(await put({ value: "late", fence: first })).toBe("older");
      b.expect(await b.backend.results.get(["a"])).toMatchObject([{ value: '"true"', fence: claim.fence }]);
      b.expect(await put({ value: "corrected", fence: claim.fence })).toBe("put");
    },
    "a set is answered in its order": async (b) => {
      await b.backend.results.put([result("b", { fence: 2 })]);
      b.expect(await b.backend.results.put([result("a", { fence: 1 }), result("b", { fence: 1 }), result("c")])).toEqual([
        "put",
        "older",
        "put",
      ]);
    },
    "a result past its TTL reads as absent, to the millisecond": async (b) => {
      await b.backend.results.put([
        result("a", { ttl: 100 }),
        result("b", { ttl: 100, expiresAt: b.now + 300 }),
        result("c", { createdAt: b.now - 50, ttl: 100 }),
      ]);
      const there = async () => (await b.backend.results.get(["a", "b", "c"])).map((row) => row !== undefined);
      await b.clock.advance(49);
      b.expect(await there()).toEqual([true, true, true]);
      await b.clock.advance(1);
      b.expect(await there()).toEqual([true, true, false]);
      await b.clock.advance(49);
      b.expect(await there()).toEqual([true, true, false]);
      await b.clock.advance(1);
      b.expect(await there()).toEqual([false, true, false]);
      b.expect(await b.backend.results.stats(10_000), "reading deletes nothing").toMatchObject({ total: 3, expired: 2 });
    },
    "latest is the newest of the schedule that is not past its TTL": async (b) => {
      b.expect(await b.backend.results.latest("s")).toBe(undefined);
      const at = b.now;
      await b.backend.results.put([
        result("a", { scheduleId: "s", createdAt: at - 2 }),
        result("b", { scheduleId: "s", createdAt: at, ttl: 10 }),
        result("c", { scheduleId: "s", createdAt: at - 1 }),
        result("d", { scheduleId: "other", createdAt: at + 5 }),
        result("e", { createdAt: at + 5 }),
      ]);
      b.expect((await b.backend.results.latest("s"))?.taskId).toBe("b");
      await b.clock.advance(10);
      b.expect((await b.backend.results.latest("s"))?.taskId).toBe("c");
    },
    "remove says what was there": async (b) => {
      await b.backend.results.put([result("a"), result("past", { ttl: 0 })]);
      b.expect(await b.backend.results.remove(["a", "nobody", "past", "a"])).toEqual([true, false, true, false]);
      b.expect(await b.backend.results.get(["a"])).toEqual([undefined]);
      b.expect(await b.backend.results.stats(10_000)).toEqual({ total: 0, completed: 0, failed: 0, expired: 0, more: false });
    },
    "stats count what is there": async (b) => {
      await b.backend.results.put([result("a"), result("b", { status: "failed" }), result("c", { ttl: 5 }), result("d")]);
      b.expect(await b.backend.results.stats(10_000)).toEqual({ total: 4, completed: 3, failed: 1, expired: 0, more: false });
      await b.clock.advance(5);
      b.expect(await b.backend.results.stats(10_000)).toMatchObject({ total: 4, expired: 1 });
    },
    "stats count the newest results, and say that there are more": async (b) => {
      await b.backend.results.put([result("a", { ttl: 5 }), result("b", { ttl: 5, status: "failed" }), result("c"), result("d")]);
      await b.clock.advance(5);
      b.expect(await b.backend.results.stats(4)).toEqual({ total: 4, completed: 3, failed: 1, expired: 2, more: false });
      b.expect(await b.backend.results.stats(3)).toEqual({ total: 3, completed: 2, failed: 1, expired: 2, more: true });
      b.expect(await b.backend.results.stats(1)).toEqual({ total: 1, completed: 1, failed: 0, expired: 1, more: true });
    },
  },
};
