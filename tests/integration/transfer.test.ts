/** `omniq transfer` and its protocol: file to server, server to file, file to file; while workers run; broken off at any step. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createHash } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { canonical, keyOf } from "../../src/backends/shared/moved.ts";
import { postgresMover } from "../../src/backends/postgres/transfer.ts";
import { sqliteMover } from "../../src/backends/sqlite/transfer.ts";
import { exactly } from "../../src/core/transfer.ts";
import type { MovedTable, Mover } from "../../src/core/transfer.ts";
import { newId, systemClock } from "../../src/host.ts";
import { defineTask, FatalError, OmniQ } from "../../src/index.ts";
import type { OmniQOptions } from "../../src/index.ts";
import { abort, transfer } from "../../src/runtime/transfer.ts";
import type { TransferOptions } from "../../src/runtime/transfer.ts";
import { omniq as cli } from "../fixtures/bin.ts";
import { ENGINES } from "../fixtures/engines.ts";
import { until } from "../fixtures/helpers.ts";

const echo = defineTask({ name: "echo", handler: ({ n }: { n: number }) => n });
const broken = defineTask({
  name: "broken",
  handler: () => {
    throw new FatalError("never\0");
  },
});

/** Where a step is held. */
class Gate {
  #reach = (): void => undefined;
  #open = (): void => undefined;
  readonly reached = new Promise<void>((resolve) => (this.#reach = resolve));
  readonly #opened = new Promise<void>((resolve) => (this.#open = resolve));

  async pass(): Promise<void> {
    this.#reach();
    await this.#opened;
  }
  open(): void {
    this.#open();
  }
}

const pairs = ENGINES.flatMap((from) => ENGINES.map((to) => ({ name: `${from.name} to ${to.name}`, from, to })));

describe.each(pairs)("from $name", ({ from, to }) => {
  let dir = "";
  let options: [OmniQOptions, OmniQOptions] = [{}, {}];
  let flags: readonly string[] = [];
  let removes: (() => Promise<void>)[] = [];
  const movers: Mover[] = [];

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "omniq-transfer-"));
    for (const folder of ["from", "to"]) mkdirSync(join(dir, folder));
    const [source, target] = [from.place(join(dir, "from")), to.place(join(dir, "to"))];
    options = [source.options, target.options];
    removes = [source.remove, target.remove];
    flags = [...flagsOf("from", source.options), ...flagsOf("to", target.options)];
  });
  afterEach(async () => {
    for (const mover of movers.splice(0)) await mover.close();
    for (const remove of removes) await remove();
    rmSync(dir, { recursive: true, force: true });
  });

  const pathOf = ({ baseDir = "", projectName = "" }: OmniQOptions): string => join(baseDir, `${projectName}.db`);
  const placeOf = (place: OmniQOptions): readonly string[] =>
    place.url === undefined ? ["--url", `sqlite:${pathOf(place)}`] : ["--url", place.url, "--schema", place.schema ?? ""];
  function flagsOf(side: "from" | "to", place: OmniQOptions): readonly string[] {
    return place.url === undefined
      ? [`--${side}`, `sqlite:${pathOf(place)}`]
      : [`--${side}`, place.url, `--${side}-schema`, place.schema ?? ""];
  }
  async function moverAt(place: OmniQOptions): Promise<Mover> {
    const mover =
      place.url === undefined ? sqliteMover(pathOf(place), "") : await postgresMover({ url: place.url, schema: place.schema ?? "" });
    movers.push(mover);
    return mover;
  }
  async function moving(more: Partial<TransferOptions> = {}): Promise<TransferOptions> {
    const target = new OmniQ(options[1]);
    await target.open();
    await target.close();
    return {
      source: await moverAt(options[0]),
      target: await moverAt(options[1]),
      wait: 0,
      replace: false,
      clock: systemClock,
      newId,
      signal: new AbortController().signal,
      keyOf,
      digest: (table, row) => BigInt(`0x${createHash("sha256").update(canonical(table, row)).digest("hex").slice(0, 32)}`),
      ...more,
    };
  }

  /** Tasks of every phase, schedules that have run, results, events, a paused queue, keys, tags and odd texts. */
  async function fill(place: OmniQOptions): Promise<void> {
    const shop = new OmniQ(place);
    await shop.enqueue(echo, { n: 1 }, { id: "done", tags: ["a", 'b"\\ü'], label: "one 😀" });
    await shop.enqueue(broken, undefined, { id: "failed" });
    await shop.schedule(echo, { n: 2 }, { id: "often", every: "20ms", maxRuns: 3 });
    const worker = shop.worker({ tasks: [echo, broken] });
    await worker.start();
    await until(async () => (await shop.schedules.get("often"))?.runCount === 3 && (await shop.results.get("failed")) !== undefined);
    await until(async () => (await shop.stats()).tasks.ready === 0 && (await shop.stats()).tasks.running === 0);
    await worker.stop();
    await shop.schedule(echo, { n: 3 }, { id: "yearly", cron: "0 0 1 1 *" });
    await shop.enqueueMany(Array.from({ length: 30 }, (_, n) => echo.with({ n }, { id: `ready-${n}`, priority: n % 3 })));
    await shop.enqueue(echo, { n: 4 }, { id: "child", dependsOn: ["ready-1", { on: "ready-2", ifFailed: "run" }] });
    await shop.enqueue(echo, { n: 5 }, { id: "later", runIn: "1d", unique: { key: "only" } });
    await shop.enqueue(echo, { n: 6 }, { id: "held", queueName: "slow" });
    await shop.enqueue(echo, { n: 7 }, { id: "gone" });
    await shop.tasks.cancel("gone");
    await shop.queues.pause("slow");
    await shop.close();
  }
  async function told(place: OmniQOptions) {
    const shop = new OmniQ(place);
    const tasks = (await shop.tasks.find({ limit: 1_000 })).items.map((task) => [
      task.id,
      task.status,
      task.priority,
      task.tags,
      task.revision,
      task.createdAt,
      task.dependsOn,
    ]);
    const { tasks: counts, results } = await shop.stats();
    const paused = (await shop.queues.list()).filter((queue) => queue.paused).map(({ name }) => name);
    const events = (await shop.events.find({ limit: 10_000 })).map(({ id, taskId, eventType, error }) => [
      id,
      taskId,
      eventType,
      error?.replaceAll("\0", "\uFFFD"),
    ]);
    const schedules = (await shop.schedules.list()).map(({ id, status, runCount, nextRunAt }) => [id, status, runCount, nextRunAt]);
    const result = await shop.results.get("done");
    await shop.close();
    return {
      tasks,
      counts,
      paused,
      results,
      events: events.map((event) => JSON.stringify(event)).toSorted((a, b) => a.localeCompare(b)),
      schedules,
      result,
    };
  }

  test("all of it, by the command, and the source takes nothing any more", { tags: ["slow"] }, async () => {
    await fill(options[0]);
    const before = await told(options[0]);
    const moved = await cli(["transfer", ...flags, "--json"], { cwd: dir });
    expect(moved).toMatchObject({ code: 0, stderr: "" });
    expect(JSON.parse(moved.stdout)).toMatchObject({ already: false, running: 0, rows: { tasks: before.tasks.length, schedules: 2 } });
    expect(await told(options[1])).toEqual(before);

    const old = new OmniQ(options[0]);
    // Nothing will ever change for who waits here.
    const waiting = [old.handle("later").result(), old.events.follow({ after: "now" }).next()];
    const settled = await Promise.allSettled(waiting);
    expect(settled).toMatchObject(settled.map(() => ({ reason: { code: "STORAGE_MOVED" } })));
    await expect(old.enqueue(echo, { n: 9 })).rejects.toMatchObject({
      code: "STORAGE_MOVED",
      message: expect.stringContaining("they have moved to") as string,
    });
    await expect(old.tasks.cancel("later")).rejects.toMatchObject({ code: "STORAGE_MOVED" });
    await expect(old.worker({ tasks: [echo] }).start()).rejects.toMatchObject({ code: "STORAGE_MOVED" });
    await old.close();
    // Again: it says so. Elsewhere: refused.
    expect(JSON.parse((await cli(["transfer", ...flags, "--json"], { cwd: dir })).stdout)).toMatchObject({ already: true });
    const elsewhere = await cli(["transfer", ...flags.slice(0, flags.indexOf("--to")), "--to", "sqlite:other.db"], { cwd: dir });
    expect(elsewhere).toMatchObject({ code: 1, stderr: expect.stringContaining("(TRANSFER_REFUSED)") as string });

    const place = placeOf(options[0]);
    const doctor = await cli(["doctor", ...place], { cwd: dir });
    expect(doctor.stdout).toContain("Everything has moved to");
    expect(doctor.stdout).not.toMatch(/trigger|queues resume|schedules delete/);
    expect(await cli(["health", ...place], { cwd: dir })).toMatchObject({
      code: 1,
      stdout: expect.stringContaining("have moved to") as string,
    });
    expect((await cli(["queues", "list", ...place], { cwd: dir })).stdout).toContain("paused by a move");

    // It is worked on there as ever: children are freed, keys are held, numbers go on.
    const shop = new OmniQ(options[1]);
    const worker = shop.worker({ tasks: [echo, broken] });
    const fresh = await shop.enqueue(echo, { n: 8 });
    await worker.drain();
    expect((await shop.results.get("child"))?.result).toBe(4);
    expect(await fresh.result()).toBe(8);
    expect((await shop.enqueue(echo, { n: 5 }, { unique: { key: "only", onConflict: "keep" } })).id).toBe("later");
    expect((await shop.tasks.get("held"))?.status).toBe("pending");
    await shop.close();
  });

  test("broken off at each step, and gone on with: the same comes out", { tags: ["slow"] }, async () => {
    await fill(options[0]);
    const before = await told(options[0]);
    let broke = 0;
    for (let at = 1; ; at++) {
      const asked = await moving();
      let left = at;
      const breaking = (mover: Mover): Mover =>
        new Proxy(mover, {
          get(of, verb) {
            const own: unknown = Reflect.get(of, verb);
            if (typeof own !== "function") return own;
            return async (...args: readonly unknown[]): Promise<unknown> => {
              // Half of the time what was asked is done, and only its answer is lost.
              if (--left === 0 && at % 2 === 0) throw new Error("broken off");
              const answer: unknown = await own.apply(of, args);
              if (left === 0) throw new Error("broken off");
              return answer;
            };
          },
        });
      try {
        await transfer({ ...asked, source: breaking(asked.source), target: breaking(asked.target) });
        break;
      } catch (error) {
        expect(error).toMatchObject({ message: "broken off" });
        broke++;
      }
      // Until it is done, no worker of the target finds anything.
      if (at % 7 === 0 && (await asked.source.mark())?.state !== "moved" && (await asked.target.mark())?.state !== "done") {
        const shop = new OmniQ(options[1]);
        expect((await shop.stats()).tasks).toMatchObject({ ready: 0, running: 0 });
        await shop.close();
      }
      for (const mover of movers.splice(0)) await mover.close();
    }
    expect(broke).toBeGreaterThan(20);
    expect(await told(options[1])).toEqual(before);
  });

  test("while workers run on both sides: each task runs once, none is lost", { tags: ["slow"] }, async () => {
    const runs = new Map<number, number>();
    const note = defineTask({
      name: "note",
      handler: async ({ n }: { n: number }) => {
        runs.set(n, (runs.get(n) ?? 0) + 1);
        await new Promise((resolve) => setTimeout(resolve, 2));
      },
    });
    const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
    const old = new OmniQ({ ...options[0], logger: quiet });
    await old.enqueueMany(Array.from({ length: 600 }, (_, n) => note.with({ n })));
    const workers = [old.worker({ tasks: [note], concurrency: 5 }), old.worker({ tasks: [note], concurrency: 5 })];
    for (const worker of workers) await worker.start();
    await until(() => runs.size > 40);
    let added = 600;
    const refused = (async () => {
      for (;;) {
        try {
          await old.enqueue(note, { n: added });
          added++;
        } catch (error) {
          return error;
        }
      }
    })();
    const young = new OmniQ({ ...options[1], logger: quiet });
    await young.worker({ tasks: [note], concurrency: 5 }).start();
    const moved = await transfer(await moving({ wait: 10_000 }));
    expect(moved.running).toBe(0);
    expect(await refused).toMatchObject({ code: "STORAGE_MOVED" });
    expect(runs.size).toBeLessThan(added);
    await until(async () => (await young.stats()).tasks.ready === 0 && runs.size === added, 30_000);
    expect([...runs.values()].filter((times) => times !== 1)).toEqual([]);
    await until(async () => (await young.stats()).tasks.completed === added);
    await young.close();
    await old.close();
  });

  test(
    `to ${to.name}: what still runs at the end of the wait is taken over there, and cannot be settled here`,
    { tags: ["slow"] },
    async () => {
      let finish: () => void = () => undefined;
      const settled: string[] = [];
      const slow = defineTask({ name: "slow", handler: () => new Promise<void>((resolve) => (finish = resolve)) });
      const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
      const old = new OmniQ({ ...options[0], logger: quiet });
      await old.enqueue(slow, undefined, { id: "slow" });
      const worker = old.worker({ tasks: [slow], lease: "1s" });
      worker.on("completed", ({ id }) => settled.push(id));
      await worker.start();
      await until(async () => (await old.tasks.get("slow"))?.status === "running");
      expect((await transfer(await moving())).running).toBe(1);
      finish();
      const young = new OmniQ({ ...options[1], logger: quiet });
      const again = defineTask({ name: "slow", handler: () => "there" });
      await young.worker({ tasks: [again], lease: "1s" }).start();
      await until(async () => (await young.results.get("slow")) !== undefined, 20_000);
      expect((await young.results.get("slow"))?.result).toBe("there");
      expect((await young.tasks.get("slow"))?.crashCount).toBe(1);
      expect(settled).toEqual([]);
      await young.close();
      await old.close();
    },
  );

  test("given up, the source works on, and nothing stays there", { tags: ["slow"] }, async () => {
    await fill(options[0]);
    const before = await told(options[0]);
    const asked = await moving();
    let writes = 0;
    const target = new Proxy(asked.target, {
      get(of, verb) {
        const own: unknown = Reflect.get(of, verb);
        if (typeof own !== "function") return own;
        return (...args: readonly unknown[]): unknown => {
          if (verb === "write" && ++writes === 4) throw new Error("broken off");
          return own.apply(of, args);
        };
      },
    });
    await expect(transfer({ ...asked, target })).rejects.toThrow("broken off");
    await expect(new OmniQ(options[0]).enqueue(echo, { n: 1 })).rejects.toMatchObject({ code: "STORAGE_MOVED" });
    await abort(asked);
    expect(await told(options[0])).toEqual(before);
    expect(Object.values(await asked.target.counts()).every((n) => n === 0)).toBe(true);
    const shop = new OmniQ(options[0]);
    await shop.worker({ tasks: [echo, broken] }).drain();
    expect((await shop.results.get("child"))?.result).toBe(4);
    await shop.close();
    await expect(abort(asked)).rejects.toMatchObject({ code: "TRANSFER_REFUSED" });
  });

  /** A move that was broken off before rows of this table were written, or before all of it counted. */
  const brokenAt = async (at: MovedTable | "finish", of?: TransferOptions): Promise<TransferOptions> => {
    const asked = of ?? (await moving());
    const target = new Proxy(asked.target, {
      get(of, verb) {
        const own: unknown = Reflect.get(of, verb);
        if (typeof own !== "function") return own;
        return (...args: readonly unknown[]): unknown => {
          if (verb === at || (verb === "write" && args[0] === at)) throw new Error("broken off");
          return own.apply(of, args);
        };
      },
    });
    await expect(transfer({ ...asked, target })).rejects.toThrow("broken off");
    return asked;
  };

  /** A move of some tasks that is held before its first call of a verb of one side; `others` are the movers of another process. */
  async function heldAt(side: "source" | "target", verb: keyof Mover) {
    const shop = new OmniQ(options[0]);
    await shop.enqueueMany(Array.from({ length: 5 }, (_, n) => echo.with({ n }, { id: `held-${n}` })));
    await shop.close();
    const [asked, others] = [await moving(), await moving()];
    const gate = new Gate();
    return { held: { ...asked, [side]: heldBefore(asked[side], verb, gate) }, others, gate };
  }
  function heldBefore(mover: Mover, at: keyof Mover, gate: Gate): Mover {
    return new Proxy(mover, {
      get(of, verb) {
        const own: unknown = Reflect.get(of, verb);
        if (typeof own !== "function") return own;
        return async (...args: readonly unknown[]): Promise<unknown> => {
          if (verb === at) await gate.pass();
          return own.apply(of, args);
        };
      },
    });
  }
  const takesWrites = async (place: OmniQOptions): Promise<boolean> => {
    const shop = new OmniQ(place);
    try {
      return (await shop.enqueue(echo, { n: 1 })).created;
    } catch (error) {
      expect(error).toMatchObject({ code: "STORAGE_MOVED" });
      return false;
    } finally {
      await shop.close();
    }
  };

  test.each([
    ["target", "receive"],
    ["source", "drain"],
    ["source", "fence"],
    ["target", "write"],
    ["target", "read"],
    ["target", "finish"],
  ] as const)("given up by another process before the %s's %s, it writes nothing any more, and says so", async (side, verb) => {
    const { held, others, gate } = await heldAt(side, verb);
    const moved = transfer(held);
    await Promise.race([gate.reached, moved]);
    await abort(others);
    gate.open();
    await expect(moved).rejects.toMatchObject({ code: "TRANSFER_OVERTAKEN" });
    expect([await others.source.mark(), await others.target.mark()]).toEqual([undefined, undefined]);
    expect((await others.target.counts()).tasks).toBe(0);
    expect(await takesWrites(options[0])).toBe(true);
    expect(await takesWrites(options[1])).toBe(true);
  });

  test.each([
    ["source", "fence"],
    ["target", "write"],
    ["target", "read"],
    ["target", "finish"],
    ["source", "leave"],
  ] as const)("done by another process before the %s's %s, and moved back: the marks of both sides stay", async (side, verb) => {
    const { held, others, gate } = await heldAt(side, verb);
    const moved = transfer(held);
    await Promise.race([gate.reached, moved]);
    expect((await transfer(others)).rows.tasks).toBe(5);
    const { source, target } = others;
    await transfer({ ...others, source: target, target: source, replace: true });
    const marks = [await source.mark(), await target.mark()];
    expect(marks).toMatchObject([{ state: "done" }, { state: "moved" }]);
    gate.open();
    await expect(moved).rejects.toMatchObject({ code: "TRANSFER_OVERTAKEN" });
    expect([await source.mark(), await target.mark()]).toEqual(marks);
    expect((await source.counts()).tasks).toBe(5);
    expect(await takesWrites(options[0])).toBe(true);
    expect(await takesWrites(options[1])).toBe(false);
  });

  test.each([
    ["source", "drain"],
    ["target", "write"],
    ["target", "read"],
    ["target", "finish"],
  ] as const)(
    "gone on with while the first still lives, before the %s's %s: one of them moves all of it, the other says so",
    async (side, verb) => {
      const { held, others, gate } = await heldAt(side, verb);
      const moved = transfer(held);
      await Promise.race([gate.reached, moved]);
      expect((await transfer(others)).rows.tasks).toBe(5);
      gate.open();
      await expect(moved).rejects.toMatchObject({ code: "TRANSFER_OVERTAKEN" });
      expect([await others.source.mark(), await others.target.mark()]).toMatchObject([{ state: "moved" }, { state: "done" }]);
      expect((await others.target.counts()).tasks).toBe(5);
      expect(await takesWrites(options[0])).toBe(false);
    },
  );

  test.each([
    ["target", "wipe"],
    ["source", "reopen"],
  ] as const)("while it is given up, before the %s's %s, nobody goes on with it", async (side, verb) => {
    const { held, others } = await heldAt(side, verb);
    await brokenAt("finish", others);
    const gate = new Gate();
    const aborted = abort({ ...others, [side]: heldBefore(others[side], verb, gate) });
    await Promise.race([gate.reached, aborted]);
    await expect(transfer({ ...others, source: held.source, target: held.target })).rejects.toMatchObject({ code: "TRANSFER_REFUSED" });
    expect((await cli(["doctor", ...placeOf(options[0])], { cwd: dir })).stdout).toContain("is being given up");
    gate.open();
    await aborted;
    expect([await others.source.mark(), await others.target.mark()]).toEqual([undefined, undefined]);
    expect(await takesWrites(options[0])).toBe(true);
  });

  test("given up while the process that copied it takes its half away itself", async () => {
    const { held, others, gate } = await heldAt("target", "write");
    const moved = transfer(held);
    await Promise.race([gate.reached, moved]);
    const wipe = new Gate();
    const aborted = abort({ ...others, target: heldBefore(others.target, "wipe", wipe) });
    await Promise.race([wipe.reached, aborted]);
    // As that process does once it sees that somebody gives the move up.
    await held.target.wipe((there) => there?.state === "copying");
    gate.open();
    await expect(moved).rejects.toMatchObject({ code: "TRANSFER_OVERTAKEN" });
    wipe.open();
    await aborted;
    expect([await others.source.mark(), await others.target.mark()]).toEqual([undefined, undefined]);
    expect(await takesWrites(options[0])).toBe(true);
  });

  test("done while it is being given up: it is done, and the same command says so", async () => {
    const { held, others, gate } = await heldAt("target", "finish");
    const moved = transfer(held);
    await Promise.race([gate.reached, moved]);
    const wipe = new Gate();
    const aborted = abort({ ...others, target: heldBefore(others.target, "wipe", wipe) });
    await Promise.race([wipe.reached, aborted]);
    gate.open();
    expect((await moved).rows.tasks).toBe(5);
    wipe.open();
    await expect(aborted).rejects.toMatchObject({ code: "TRANSFER_REFUSED", message: expect.stringContaining("it is done") as string });
    expect((await transfer(others)).already).toBe(true);
    expect(await takesWrites(options[0])).toBe(false);
    expect((await others.target.counts()).tasks).toBe(5);
  });

  test("done while it is being given up, and broken off before the source's mark: the source is not opened", async () => {
    const { held, others, gate } = await heldAt("target", "finish");
    const leaving = new Gate();
    const moved = transfer({ ...held, source: heldBefore(held.source, "leave", leaving) });
    await Promise.race([gate.reached, moved]);
    const looks = new Gate();
    const source = new Proxy(others.source, {
      get(of, verb) {
        const own: unknown = Reflect.get(of, verb);
        if (typeof own !== "function") return own;
        return async (...args: readonly unknown[]): Promise<unknown> => {
          const answer: unknown = await own.apply(of, args);
          if (verb === "setMark") await looks.pass();
          return answer;
        };
      },
    });
    const aborted = abort({ ...others, source });
    await Promise.race([looks.reached, aborted]);
    gate.open();
    await Promise.race([leaving.reached, moved]);
    looks.open();
    await expect(aborted).rejects.toMatchObject({ code: "TRANSFER_REFUSED", message: expect.stringContaining("it is done") as string });
    expect(await takesWrites(options[0])).toBe(false);
    expect((await transfer(others)).already).toBe(false);
    expect([await others.source.mark(), await others.target.mark()]).toMatchObject([{ state: "moved" }, { state: "done" }]);
    leaving.open();
    await expect(moved).rejects.toMatchObject({ code: "TRANSFER_OVERTAKEN" });
  });

  test("what takes writes still is never marked as moved, nor given up when its tasks have moved on", async () => {
    const { others } = await heldAt("source", "drain");
    const { source, target } = others;
    const mark = { id: "x", state: "closed", other: target.name } as const;
    await source.setMark(mark, exactly(undefined));
    await expect(source.leave({ ...mark, state: "moved" }, exactly(mark))).rejects.toMatchObject({ code: "TRANSFER_REFUSED" });
    expect(await source.mark()).toEqual(mark);
    await target.setMark({ id: "y", state: "moved", other: "a third" }, exactly(undefined));
    for (const go of [() => abort(others), () => transfer({ ...others, replace: true })])
      await expect(go()).rejects.toMatchObject({ code: "TRANSFER_REFUSED", message: expect.stringContaining("a third") as string });
    expect(await source.mark()).toEqual(mark);
    await source.setMark({ ...mark, state: "aborting" }, exactly(mark));
    const there = new OmniQ(options[1]);
    await there.enqueue(echo, { n: 1 });
    await there.close();
    await expect(abort(others)).rejects.toMatchObject({ code: "TRANSFER_REFUSED", message: expect.stringContaining("a third") as string });
  });

  test("while the copy is not whole, nobody else writes or cleans up there; a worker waits", { tags: ["slow"] }, async () => {
    await fill(options[0]);
    const before = await told(options[0]);
    const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
    const early = new OmniQ({ ...options[1], logger: quiet, retention: { events: 1 } });
    await early.worker({ tasks: [echo, broken] }).start();
    const asked = await brokenAt("finish");
    const shop = new OmniQ(options[1]);
    for (const write of [
      () => shop.enqueue(echo, { n: 1 }, { id: "early" }),
      () => shop.queues.pause("slow"),
      () => shop.schedules.delete("yearly"),
    ])
      await expect(write()).rejects.toMatchObject({ code: "STORAGE_ARRIVING" });
    expect(await cli(["health", ...placeOf(options[1])], { cwd: dir })).toMatchObject({
      code: 1,
      stdout: expect.stringContaining("unhealthy: ") as string,
    });
    await early.close();
    await transfer({ ...asked, signal: new AbortController().signal });
    expect(await told(options[1])).toEqual(before);
    await shop.enqueue(echo, { n: 1 }, { id: "early" });
    await shop.close();
  });

  test("onto itself it is refused, whatever it is called, and nothing is lost", { tags: ["slow"] }, async () => {
    await fill(options[0]);
    const before = await told(options[0]);
    const [source, target] = [await moverAt(options[0]), await moverAt(options[0])];
    const called = new Proxy(target, {
      get(of, verb) {
        const own: unknown = Reflect.get(of, verb);
        if (verb === "name") return "the same by another name";
        return typeof own === "function" ? (...args: readonly unknown[]): unknown => own.apply(of, args) : own;
      },
    });
    for (const each of [target, called])
      for (const replace of [true, false])
        await expect(transfer(await moving({ source, target: each, replace }))).rejects.toMatchObject({ code: "TRANSFER_REFUSED" });
    expect(await source.mark()).toBeUndefined();
    expect(await told(options[0])).toEqual(before);
    // Nor by giving up a move that was begun so, and broken off before it was seen.
    await source.setMark({ id: "x", state: "draining", other: target.name }, exactly(undefined));
    await expect(transfer(await moving({ source, target, replace: true }))).rejects.toMatchObject({ code: "TRANSFER_REFUSED" });
    await abort({ source, target });
    expect(await told(options[0])).toEqual(before);
  });

  test("it is given up where it was begun to, and nowhere else", { tags: ["slow"] }, async () => {
    await fill(options[0]);
    const asked = await brokenAt("results");
    const other = await cli(["transfer", ...flags.slice(0, flags.indexOf("--to")), "--to", "sqlite:typo.db", "--abort"], { cwd: dir });
    expect(other).toMatchObject({ code: 1, stderr: expect.stringContaining("(TRANSFER_REFUSED)") as string });
    expect(existsSync(join(dir, "typo.db"))).toBe(false);
    expect((await asked.source.mark())?.state).toBe("closed");
    await transfer(asked);
    // As if it had been broken off between the end there and the mark here.
    const mark = await asked.source.mark();
    if (mark !== undefined) await asked.source.setMark({ ...mark, state: "closed" }, exactly(mark));
    await expect(abort(asked)).rejects.toMatchObject({ code: "TRANSFER_REFUSED" });
    // The target is no source of a move.
    await expect(abort({ source: asked.target, target: asked.source })).rejects.toMatchObject({ code: "TRANSFER_REFUSED" });
    expect((await transfer(asked)).already).toBe(false);
    expect((await asked.target.mark())?.state).toBe("done");
  });

  test("back again, and given up twice on the way: what had moved away stays closed, and is empty", { tags: ["slow"] }, async () => {
    await fill(options[0]);
    const asked = await moving();
    await transfer(asked);
    const back = { ...asked, source: asked.target, target: asked.source, replace: true };
    for (const at of ["events", "finish"] as const) {
      await abort(await brokenAt(at, back));
      // The half of a move that nobody goes on with is no other case.
      await brokenAt(at, back);
      await back.source.reopen(() => true);
      await abort(await brokenAt(at, back));
      await expect(new OmniQ(options[0]).enqueue(echo, { n: 1 })).rejects.toMatchObject({
        code: "STORAGE_MOVED",
        message: expect.stringContaining(back.source.name) as string,
      });
      expect(Object.values(await back.target.counts()).every((n) => n === 0)).toBe(true);
    }
    const works = new OmniQ(options[1]);
    await works.enqueue(echo, { n: 1 });
    await works.close();
    await transfer(back);
    const again = new OmniQ(options[0]);
    await again.enqueue(echo, { n: 1 });
    await again.close();
  });

  test("back again, over what was left behind, workers and all", { tags: ["slow"] }, async () => {
    await fill(options[0]);
    const before = await told(options[0]);
    const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
    const old = new OmniQ({ ...options[0], logger: quiet });
    await old.worker({ tasks: [echo], queues: ["nobody's"] }).start();
    const asked = await moving();
    await transfer(asked);
    // It cannot take its row along from a database that is closed.
    await old.close();
    const back = { ...asked, source: asked.target, target: asked.source };
    await expect(transfer(back)).rejects.toMatchObject({
      code: "TARGET_NOT_EMPTY",
      message: expect.stringContaining("--replace takes it away") as string,
    });
    await transfer({ ...back, replace: true });
    expect(await told(options[0])).toEqual(before);
    await expect(new OmniQ(options[1]).enqueue(echo, { n: 1 })).rejects.toMatchObject({ code: "STORAGE_MOVED" });
    const shop = new OmniQ(options[0]);
    await shop.worker({ tasks: [echo, broken] }).drain();
    expect((await shop.results.get("child"))?.result).toBe(4);
    await shop.close();
  });

  test("a queue that somebody pauses while the move pauses it stays paused; the others go on", { tags: ["slow"] }, async () => {
    const shop = new OmniQ(options[0]);
    for (const queueName of ["mine", "theirs"]) await shop.enqueue(echo, { n: 1 }, { queueName });
    const asked = await moving();
    await asked.source.drain(exactly(undefined));
    await shop.queues.pause("mine");
    const paused = async (of: OmniQ): Promise<readonly string[]> =>
      (await of.queues.list()).filter((queue) => queue.paused).map(({ name }) => name);
    expect((await paused(shop)).toSorted()).toEqual(["mine", "theirs"]);
    await transfer(asked);
    const there = new OmniQ(options[1]);
    expect(await paused(there)).toEqual(["mine"]);
    await there.close();
    await shop.close();
  });

  test("a target that holds something, an empty source, and rows that changed are refused", { tags: ["slow"] }, async () => {
    const shop = new OmniQ(options[1]);
    await shop.enqueue(echo, { n: 1 }, { id: "mine" });
    await shop.close();
    const nothing = new OmniQ(options[0]);
    await nothing.open();
    await nothing.close();
    expect(await cli(["transfer", ...flags], { cwd: dir })).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("it is empty: is it the right one? (TRANSFER_REFUSED)") as string,
    });
    await fill(options[0]);
    expect(await cli(["transfer", ...flags], { cwd: dir })).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("1 event, 1 task; --replace takes them away (TARGET_NOT_EMPTY)") as string,
    });
    const asked = await moving({ replace: true });
    const target = new Proxy(asked.target, {
      get(of, verb) {
        const own: unknown = Reflect.get(of, verb);
        if (typeof own !== "function") return own;
        return (...args: readonly unknown[]): unknown => {
          if (verb !== "write" || args[0] !== "results" || !Array.isArray(args[1])) return own.apply(of, args);
          const changed = args[1].map((row: object) => Object.assign({}, row, { error: "changed on its way" }));
          return own.apply(of, [args[0], changed, ...args.slice(2)]);
        };
      },
    });
    await expect(transfer({ ...asked, target })).rejects.toMatchObject({
      code: "TRANSFER_MISMATCH",
      message: expect.stringContaining("Expected the results of") as string,
    });
    const nobodys = new OmniQ(options[1]);
    expect((await nobodys.stats()).tasks).toMatchObject({ ready: 0, delayed: 0, blocked: 0 });
    await nobodys.close();
    await abort(asked);
    const works = new OmniQ(options[0]);
    await works.enqueue(echo, { n: 1 });
    await works.close();
  });
});

test("used wrongly: 2, and what is right; a source that is not there is an error and is not made", async () => {
  const cwd = mkdtempSync(join(tmpdir(), "omniq-transfer-"));
  for (const [args, hint] of [
    [[], "--from"],
    [["--from", "sqlite:a.db"], "--to"],
    [["--from", "redis://x", "--to", "sqlite:b.db"], "--from"],
    [["--from", "sqlite:a.db", "--to", "sqlite:b.db", "--to-schema", "x"], "--to-schema"],
    [["--from", "sqlite::memory:", "--to", "sqlite:b.db"], "memory"],
    [["--from", "sqlite:a.db", "--to", "sqlite:b.db", "--wait", "soon"], "--wait"],
  ] as const)
    expect(await cli(["transfer", ...args], { cwd })).toMatchObject({
      code: 2,
      stdout: "",
      stderr: expect.stringContaining(hint) as string,
    });
  expect(await cli(["transfer", "--from", "sqlite:a.db", "--to", "sqlite:b.db"], { cwd })).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("(STORAGE_NOT_FOUND)") as string,
  });
  writeFileSync(join(cwd, "c.db"), "");
  rmSync(cwd, { recursive: true });
});
