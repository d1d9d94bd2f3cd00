import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { OmniQ } from "../../src/index.ts";
import { sampleTasks } from "../fixtures/sample-functions.ts";

let folder = "";
let file = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "omniq-configuration-"));
  file = join(folder, "omniq.yaml");
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** The seed's sample configuration, with its folder in ours. */
const sample = (): string =>
  readFileSync(join(import.meta.dirname, "../fixtures/data/sample-config.yaml"), "utf8").replaceAll(
    "./test_data",
    join(folder, "test_data"),
  );

describe("a file alone", () => {
  test("the seed's sample brings up queue, results, events and the worker's settings; the program adds the tasks", async () => {
    writeFileSync(file, sample());
    const omniq = await OmniQ.fromConfigFile(file);
    const tasks = Object.values(sampleTasks);
    const order: string[] = [];
    const worker = omniq.worker({ tasks });
    worker.on("completed", ({ queueName }) => order.push(queueName));
    const handles = [];
    await worker.start();
    expect(await omniq.workers.list()).toMatchObject([{ queues: ["high", "medium", "low"], concurrency: 2 }]);
    await worker.stop();
    for (const queueName of ["low", "medium", "high"])
      handles.push(await omniq.enqueueNamed(sampleTasks.simpleTask.name, { x: 5, y: 10 }, { queueName }));
    await worker.drain();
    for (const handle of handles) {
      expect(await handle.result()).toBe(15);
      const events = await handle.events();
      expect(events.map((event) => event.eventType).toSorted()).toEqual(["completed", "enqueued", "executing"]);
      expect((await omniq.results.get(handle.id))?.result).toBe(15);
    }
    // Two slots, and the queues in the file's order.
    expect(order).toEqual(["high", "medium", "low"]);
    await omniq.close();
    expect(existsSync(join(folder, "test_data", "test_project.db"))).toBe(true);
  });

  test("stores in places of their own: what is settled is read from there", async () => {
    const text = `
projectName: apart
taskQueue: { type: sqlite, config: { baseDir: ${join(folder, "tasks")} } }
resultStore: { type: sqlite, config: { baseDir: ${join(folder, "results")} } }
eventStore: { type: sqlite, config: { baseDir: ${join(folder, "events")} } }
`;
    writeFileSync(file, text);
    const omniq = await OmniQ.fromConfigFile(file);
    const handle = await omniq.enqueue(sampleTasks.simpleTask, { x: 1, y: 2 });
    await omniq.worker({ tasks: [sampleTasks.simpleTask] }).drain();
    expect(await handle.result()).toBe(3);
    expect((await handle.events()).map((event) => event.eventType)).toEqual(["enqueued", "executing", "completed"]);
    await omniq.close();
    const alone = new OmniQ({ projectName: "apart", baseDir: join(folder, "results") });
    expect((await alone.results.get(handle.id))?.result).toBe(3);
    expect((await alone.tasks.find({})).items).toEqual([]);
    await alone.close();
  });

  test("a failing task is tried as often as the file says", async () => {
    writeFileSync(file, `${sample()}\ntask_defaults: { max_retries: 1, retry_delay: 0 }\n`);
    const omniq = await OmniQ.fromConfigFile(file);
    const handle = await omniq.enqueueNamed(sampleTasks.failingTask.name, {}, { queueName: "high" });
    await omniq.worker({ tasks: [sampleTasks.failingTask] }).drain();
    await expect(handle.result()).rejects.toMatchObject({ code: "TASK_FAILED", failure: { name: "Error" } });
    const task = await handle.get();
    expect([task?.maxRetries, task?.retryCount, task?.attempt]).toEqual([1, 1, 2]);
    await omniq.close();
  });
});
