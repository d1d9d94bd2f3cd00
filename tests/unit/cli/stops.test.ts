/** The two steps of a stop: what is said, and what a second signal is. */
import { describe, expect, test } from "vitest";
import { Interrupted } from "../../../src/cli/interrupt.ts";
import { Stopping } from "../../../src/cli/worker/stops.ts";

function rig({ running = 0 } = {}) {
  const said: string[] = [];
  const stops: unknown[] = [];
  const exits: number[] = [];
  let time = 1_000;
  const stopping = new Stopping({ grace: 30_000, say: (text) => said.push(text), now: () => time, exit: (code) => exits.push(code) });
  const worker = {
    running: Array.from({ length: running }, (_, i) => ({ id: `id${i}`, func: "work", queueName: "default", attempt: 1 })),
    stop: (options: unknown) => {
      stops.push(options);
      return Promise.resolve();
    },
  };
  const ask = (after = 1_000): void => {
    time += after;
    stopping.ask();
  };
  return { stopping, worker, ask, said, stops, exits };
}

describe("asked to stop", () => {
  test("once: with its grace, and says that nothing runs", async () => {
    const { stopping, worker, ask, said, stops, exits } = rig();
    stopping.watch(worker);
    ask();
    await stopping.done;
    expect({ said, stops, exits }).toEqual({ said: ["Stopping: nothing runs."], stops: [{ timeout: 30_000 }], exits: [] });
  });

  test("says what it waits for, the first few by name", () => {
    const { stopping, worker, ask, said } = rig({ running: 5 });
    stopping.watch(worker);
    ask();
    expect(said).toEqual([
      "Stopping: waiting up to 30 s for 5 tasks to end (work id0, work id1, work id2 and 2 more). A second signal stops at once.",
    ]);
  });

  test("the same again right behind counts once: npm passes on the terminal's Ctrl-C", () => {
    const { stopping, worker, ask, stops } = rig();
    stopping.watch(worker);
    ask();
    ask(249);
    expect({ asked: stopping.asked, stops: stops.length }).toEqual({ asked: 1, stops: 1 });
    ask(1);
    expect(stops).toEqual([{ timeout: 30_000 }, { timeout: 0 }]);
  });

  test("a third time: the process ends", () => {
    const { stopping, worker, ask, exits } = rig();
    stopping.watch(worker);
    ask();
    ask();
    expect(exits).toEqual([]);
    ask();
    expect(exits).toEqual([130]);
  });

  test("before there is a worker: no step is waited for any longer, and what it comes to is not heard", async () => {
    const { stopping, ask } = rig();
    expect(await stopping.unlessAsked(Promise.resolve("ended"))).toBe("ended");
    await expect(stopping.unlessAsked(Promise.reject(new Error("broken")))).rejects.toThrow("broken");
    let fail: (error: Error) => void = () => {};
    const step = stopping.unlessAsked(new Promise<never>((_, reject) => (fail = reject)));
    ask();
    await expect(step).rejects.toBeInstanceOf(Interrupted);
    fail(new Error("too late"));
  });

  test("before there is a worker: the second ends the process", async () => {
    const { stopping, ask, exits } = rig();
    ask();
    expect(stopping.asked).toBe(1);
    await stopping.done;
    ask();
    expect(exits).toEqual([130]);
  });
});
