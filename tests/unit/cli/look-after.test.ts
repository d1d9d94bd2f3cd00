/** Looking after tasks, queues and results from the command line, in this process. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { execute } from "../../../src/cli/main.ts";
import { defineTask, FatalError, OmniQ } from "../../../src/index.ts";
import { fakeTerminal } from "./fake-terminal.ts";

const greet = defineTask({ name: "greet", handler: ({ name }: { name: string }) => ({ text: `hello ${name}` }) });
const refuse = defineTask({
  name: "refuse",
  handler: () => {
    throw new FatalError("it cannot be");
  },
});

let dir = "";
let omniq: OmniQ;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "omniq-after-"));
  omniq = new OmniQ({ baseDir: dir });
});
afterEach(async () => {
  await omniq.close();
  rmSync(dir, { recursive: true });
});

interface Said {
  readonly code: number;
  readonly text: string;
  readonly answer: string;
}
/** @param typed what somebody answers at the terminal; without it there is none. */
async function said(argv: readonly string[], typed?: string): Promise<Said> {
  const fake = fakeTerminal(typed === undefined ? {} : { columns: 100, typed });
  const code = await execute([...argv, "--base-dir", dir], fake.terminal);
  return { code, text: stripVTControlCharacters(fake.lines().join("\n")), answer: fake.answer() };
}
const json = async (argv: readonly string[]): Promise<unknown> => JSON.parse((await said([...argv, "--json"])).answer);

/** Two failed, one done, three ready in `mail`, one of them needed by a blocked one. */
async function fill(): Promise<void> {
  await omniq.enqueue(refuse, undefined, { id: "failed-1" });
  await omniq.enqueue(refuse, undefined, { id: "failed-2", tags: ["x"] });
  await omniq.enqueue(greet, { name: "a" }, { id: "done-1" });
  const worker = omniq.worker({ tasks: [greet, refuse] });
  await worker.drain();
  for (const id of ["mail-1", "mail-2", "mail-3"]) await omniq.enqueue(greet, { name: "b" }, { id, queueName: "mail" });
  await omniq.enqueue(greet, { name: "c" }, { id: "blocked-1", dependsOn: [{ on: "mail-1", ifFailed: "run" }] });
}
const phaseOf = async (id: string): Promise<string | undefined> => (await omniq.tasks.get(id))?.phase;

test("a signal that comes when nothing is left to be changed interrupts nothing: 0", async () => {
  await fill();
  // The first set is under way when the command has begun to listen, and it is the only one.
  const interrupt = (event: string | symbol): void => {
    if (event === "SIGTERM") setImmediate(() => process.emit("SIGTERM"));
  };
  process.on("newListener", interrupt);
  const { code, text } = await said(["tasks", "cancel", "--queue", "mail", "--yes"]).finally(() => process.off("newListener", interrupt));
  expect({ code, text }).toEqual({ code: 0, text: "3 tasks cancelled." });
});

describe("tasks by their ids", () => {
  test("are cancelled, with the reason", async () => {
    await fill();
    expect(await said(["tasks", "cancel", "mail-1", "mail-2", "mail-1", "--reason", "no more"])).toMatchObject({
      code: 0,
      text: "2 tasks cancelled.",
    });
    expect((await omniq.tasks.get("mail-2"))?.reason).toBe("no more");
    expect(await phaseOf("mail-3")).toBe("ready");
  });

  test("run again", async () => {
    await fill();
    expect(await json(["tasks", "retry", "failed-1"])).toEqual({
      outcomes: { retried: 1 },
      tasks: [{ id: "failed-1", outcome: "retried" }],
    });
    expect(await phaseOf("failed-1")).toBe("ready");
  });

  test("do not run again beside another that keeps them back: which one is told, and why", async () => {
    const unique = { key: "k" };
    const one = await omniq.enqueueNamed("resize", {}, { id: "one", unique });
    await one.cancel();
    await omniq.enqueueNamed("resize", {}, { id: "other", unique });
    const named = await said(["tasks", "retry", "one"]);
    expect(named).toMatchObject({ code: 1, text: "one: task other holds its unique key" });
    expect(await json(["tasks", "retry", "one"])).toEqual({
      outcomes: { conflict: 1 },
      tasks: [{ id: "one", outcome: "conflict", reason: "task other holds its unique key" }],
    });
    const text = "1 task kept back by another of the same unique key or schedule.";
    expect(await said(["tasks", "retry", "--phase", "cancelled", "--yes"])).toMatchObject({ code: 0, text });
    await omniq.scheduleNamed("resize", {}, { id: "often", every: "1h", overlap: "skip" });
    const first = await omniq.schedules.runNow("often");
    await first.cancel();
    const open = await omniq.schedules.runNow("often");
    const why = `${first.id}: task ${open.id} of its schedule has not ended, and none of them may overlap`;
    expect(await said(["tasks", "retry", first.id])).toMatchObject({ code: 1, text: why });
  });

  test("are deleted", async () => {
    await fill();
    expect(await said(["tasks", "delete", "done-1"])).toMatchObject({ code: 0, text: "1 task deleted." });
    expect(await phaseOf("done-1")).toBeUndefined();
  });

  test.each([
    ["cancel", "done-1", "has ended before"],
    ["retry", "mail-1", "has not ended"],
    ["retry", "done-1", "has completed"],
    ["delete", "mail-1", "others wait for it"],
    ["delete", "nobody", "there is no such task"],
  ])("%s %s: 1 and why, and the others are done", async (verb, id, why) => {
    await fill();
    const other = { cancel: "mail-3", retry: "failed-1", delete: "mail-3" }[verb] ?? "";
    const { code, text } = await said(["tasks", verb, id, other]);
    expect(code).toBe(1);
    expect(text).toMatch(/^1 task /m);
    expect(text).toMatch(new RegExp(`^${id}: .*${why}`, "m"));
  });

  test("--dry-run only tells", async () => {
    await fill();
    expect(await said(["tasks", "delete", "done-1", "mail-2", "nobody", "--dry-run"])).toMatchObject({
      code: 0,
      text: "Would delete 2 tasks (1 completed, 1 ready).",
    });
    expect(await phaseOf("done-1")).toBe("completed");
  });
});

describe("tasks by a filter", () => {
  test("are counted first, and changed when the answer is yes", async () => {
    await fill();
    const { code, text } = await said(["tasks", "cancel", "--queue", "mail"], "y\n");
    expect(text).toContain("Cancel 3 ready tasks? [y/N]");
    expect(text).toContain("3 tasks cancelled.");
    expect(code).toBe(0);
    expect(await phaseOf("mail-3")).toBe("cancelled");
  });

  test.each(["n\n", "\n", "what\n", "\u0004"])("stay as they are when the answer is %j", async (typed) => {
    await fill();
    const { code, text } = await said(["tasks", "delete", "--queue", "mail"], typed);
    expect(text).toContain("Nothing was done.");
    expect(code).toBe(1);
    expect(await phaseOf("mail-3")).toBe("ready");
  });

  test("stay as they are on Ctrl-C: 130", async () => {
    await fill();
    expect((await said(["tasks", "delete", "--queue", "mail"], "\u0003")).code).toBe(130);
    expect(await phaseOf("mail-3")).toBe("ready");
  });

  test("run again parents before their children, in however many sets", async () => {
    const parent = await omniq.enqueue(greet, { name: "p" });
    const near = await omniq.enqueue(greet, { name: "c" }, { dependsOn: [parent] });
    await omniq.enqueueMany(Array.from({ length: 250 }, (_, i) => greet.with({ name: `${i}` })));
    const far = await omniq.enqueue(greet, { name: "g" }, { dependsOn: [{ on: near, ifFailed: "run" }] });
    await omniq.tasks.cancel({ queueName: "default" });
    expect(await json(["tasks", "retry", "--phase", "cancelled", "--yes"])).toEqual({ outcomes: { retried: 253 } });
    expect([await phaseOf(near.id), await phaseOf(far.id)]).toEqual(["blocked", "blocked"]);
  });

  test("need --yes where nobody can answer", async () => {
    await fill();
    const { code, text, answer } = await said(["tasks", "retry", "--phase", "failed"]);
    expect({ code, answer }).toEqual({ code: 2, answer: "" });
    expect(text).toContain("Retry 2 failed tasks?");
    expect(text).toContain("--yes");
    expect(await phaseOf("failed-1")).toBe("failed");
    expect(await json(["tasks", "retry", "--phase", "failed", "--yes"])).toEqual({ outcomes: { retried: 2 } });
  });

  test.each([
    [["--func", "refuse", "--tag", "x"], 1],
    [["--from", "1h"], 6],
    [["--to", "1h"], 0],
    [["--from", "2000-01-01", "--status", "completed"], 1],
    [["--schedule", "none"], 0],
  ])("%j", async (filter, tasks) => {
    await fill();
    await omniq.tasks.cancel("blocked-1");
    await omniq.tasks.delete("blocked-1");
    expect(await json(["tasks", "delete", ...filter, "--dry-run"])).toMatchObject({ dryRun: true, tasks });
  });

  test("that none is like: 0, and nothing is asked", async () => {
    await fill();
    expect(await said(["tasks", "cancel", "--queue", "none"])).toMatchObject({
      code: 0,
      text: "No task that could be cancelled is like this.",
    });
    expect(await json(["tasks", "cancel", "--queue", "none"])).toEqual({ outcomes: {} });
  });

  test("are left alone when they have changed since they were counted", async () => {
    await fill();
    const fake = fakeTerminal({ columns: 100, typed: "" });
    const deleting = execute(["tasks", "delete", "--phase", "failed", "--base-dir", dir], fake.terminal);
    await expect.poll(() => fake.lines().join("")).toContain("[y/N]");
    await omniq.tasks.retry("failed-1");
    fake.terminal.stdin.push("y\n");
    expect(await deleting).toBe(0);
    expect(fake.answer()).toContain("1 changed meanwhile and left alone");
    expect(await phaseOf("failed-1")).toBe("ready");
    expect(await phaseOf("failed-2")).toBeUndefined();
  });

  test.each([
    [["tasks", "delete"], "Expected the ids of the tasks to delete, or options"],
    [["tasks", "cancel", "--yes"], "Expected the ids of the tasks to cancel, or options"],
    [["tasks", "retry", "a", "--queue", "b"], "got both"],
  ])("%j does nothing: 2", async (argv, hint) => {
    await fill();
    const { code, text } = await said(argv);
    expect(code).toBe(2);
    expect(text).toContain(hint);
  });

  test("more than a page of them, each once", async () => {
    await omniq.enqueueMany(Array.from({ length: 1_500 }, (_, i) => greet.with({ name: "a" }, { id: `t-${i}` })));
    const shown = await said(["tasks", "cancel", "--queue", "default"], "y\n");
    expect(shown.answer).toContain("1,500 tasks cancelled.");
    expect(await json(["tasks", "delete", "--phase", "cancelled", "--yes"])).toEqual({ outcomes: { deleted: 1_500 } });
  });
});

describe("why", () => {
  test("says it in a sentence, with what it is made of", async () => {
    await fill();
    const { code, text } = await said(["why", "blocked-1"]);
    expect(code).toBe(0);
    expect(text).toMatch(/^It waits for 1 task that it depends on: mail-1 \(ready\)\./);
    expect(text).toMatch(/^reason +blocked$/m);
    expect(text).toMatch(/^open parents +1$/m);
    expect(await json(["why", "blocked-1"])).toMatchObject({ reason: "blocked", details: { openParents: 1 } });
  });

  test("of a task that is not there: 1", async () => {
    await fill();
    expect(await said(["why", "nobody"])).toMatchObject({ code: 1, answer: "" });
  });
});

describe("results", () => {
  test("are shown readable, as JSON, or as the value alone", async () => {
    await fill();
    const { text } = await said(["results", "show", "done-1"]);
    expect(text).toMatch(/^completed$/m);
    expect(text).toContain('{"text":"hello a"}');
    expect(await json(["results", "show", "done-1"])).toMatchObject({ taskId: "done-1", result: { text: "hello a" } });
    expect((await said(["results", "show", "done-1", "--raw"])).answer).toBe('{"text":"hello a"}\n');
  });

  test("of a failure are the error, and no value", async () => {
    await fill();
    expect((await said(["results", "show", "failed-1"])).text).toContain("FatalError: it cannot be");
    const raw = await said(["results", "show", "failed-1", "--raw"]);
    expect(raw).toMatchObject({ code: 1, answer: "" });
    expect(raw.text).toContain("FatalError: it cannot be (TASK_FAILED)");
  });

  test("that are not there: 1, and why", async () => {
    await fill();
    await omniq.enqueue(greet, { name: "a" }, { id: "not-kept", storeResult: false });
    await omniq.enqueue(greet, { name: "a" }, { id: "gone", resultTtl: 0 });
    await omniq.worker({ tasks: [greet] }).drain();
    await omniq.tasks.cancel("mail-2", { reason: "no more" });
    for (const [id, why] of [
      ["mail-3", "has no result yet. No live worker serves its queue"],
      ["mail-2", "was cancelled: no more (TASK_CANCELLED)"],
      ["not-kept", "(RESULT_NOT_STORED)"],
      ["gone", "(RESULT_EXPIRED)"],
      ["nobody", "(TASK_NOT_FOUND)"],
    ] as const) {
      const { code, text, answer } = await said(["results", "show", id]);
      expect({ id, code, answer }).toEqual({ id, code: 1, answer: "" });
      expect(text).toContain(why);
    }
  });

  test("of a schedule: the newest, or why there is none", async () => {
    await fill();
    expect((await said(["results", "latest", "nightly"])).text).toContain("(SCHEDULE_NOT_FOUND)");
    await omniq.schedule(greet, { name: "x" }, { id: "nightly", cron: "0 3 * * *" });
    expect(await said(["results", "latest", "nightly"])).toMatchObject({ code: 1, text: expect.stringContaining("has no result") });
  });
});

describe("queues", () => {
  test("are listed with what they hold and who serves them", async () => {
    await fill();
    await omniq.queues.pause("mail");
    const worker = omniq.worker({ tasks: [greet], queues: ["mail", "idle"] });
    await worker.start();
    const { text } = await said(["queues", "list"]);
    await worker.stop();
    expect(text).toMatch(/^default +0 +0 +0 +1 +0 +0$/m);
    expect(text).toMatch(/^idle +0 +0 +0 +0 +0 +1$/m);
    expect(text).toMatch(/^mail +3 +0 +0 +0 +0 +[\d.]+m?s +1 +paused since 2/m);
  });

  test("are paused and resumed", async () => {
    await fill();
    expect(await said(["queues", "pause", "mail"])).toMatchObject({ code: 0, text: "mail: paused; 3 tasks ready and waiting." });
    expect(await json(["queues", "pause", "mail"])).toEqual({ name: "mail", paused: true, changed: false });
    expect((await omniq.queues.list()).find(({ name }) => name === "mail")?.paused).toBe(true);
    expect(await json(["queues", "resume", "mail"])).toEqual({ name: "mail", paused: false, changed: true });
    expect((await omniq.queues.list()).find(({ name }) => name === "mail")?.paused).toBe(false);
  });

  test("that nobody knows are doubted", async () => {
    await fill();
    const { code, text } = await said(["queues", "pause", "maill"]);
    expect(code).toBe(0);
    expect(text).toContain("no task waits in a queue named maill, and no live worker serves it. Did you mean mail?");
  });

  test("are cleared after a question", async () => {
    await fill();
    expect(await said(["queues", "clear", "mail"])).toMatchObject({ code: 2, answer: "" });
    expect((await said(["queues", "clear", "mail", "--dry-run"])).text).toBe("Would delete 3 tasks of mail.");
    expect((await said(["queues", "clear", "mail"], "n\n")).code).toBe(1);
    expect(await phaseOf("mail-3")).toBe("ready");
    const { code, text } = await said(["queues", "clear", "mail"], "yes\n");
    expect(text).toContain("Delete 3 tasks of mail? [y/N]");
    // One waits for mail-1, so it stays.
    expect(text).toContain("mail: 2 tasks deleted.");
    expect(code).toBe(0);
    expect(await phaseOf("mail-3")).toBeUndefined();
    expect(await json(["queues", "clear", "none"])).toEqual({ name: "none", deleted: 0 });
  });
});

describe("enqueue", () => {
  beforeEach(() => omniq.open());

  test("with every option", async () => {
    await fill();
    const options = [
      ["--id", "one"],
      ["--queue", "high"],
      ["--priority", "-3"],
      ["--in", "10m"],
      ["--ttl", "1h"],
      ["--label", "a label"],
      ["--description", "a text"],
      ["--tag", "a"],
      ["-t", "b"],
      ["--depends-on", "mail-1"],
      ["--if-failed", "run"],
      ["--max-retries", "7"],
      ["--retry-delay", "3s"],
      ["--backoff", "exponential"],
      ["--timeout", "1m"],
      ["--result-ttl", "2d"],
      ["--max-crashes", "2"],
      ["--callback", "greet"],
      ["--callback-args", '{"name":"z"}'],
    ].flat();
    const argv = ["enqueue", "greet", '{"name":"x"}', "--discard-result", "--at-most-once", "--unique", "k", ...options];
    expect(await json(argv)).toEqual({ id: "one", created: true });
    expect((await omniq.tasks.get("one"))?.toJSON()).toMatchObject({
      func: "greet",
      funcArgs: { name: "x" },
      queueName: "high",
      priority: -3,
      ttl: 3_600_000,
      name: "a label",
      description: "a text",
      tags: ["a", "b"],
      dependsOn: [{ on: "mail-1", ifFailed: "run" }],
      maxRetries: 7,
      retryDelay: 3_000,
      backoff: "exponential",
      timeout: 60_000,
      resultTtl: 172_800_000,
      storeResult: false,
      atMostOnce: true,
      maxCrashes: 2,
      callback: "greet",
      callbackArgs: { name: "z" },
    });
    expect(await json(argv)).toEqual({ id: "one", created: false });
    expect(await json(["enqueue", "greet", "--unique", "k"])).toEqual({ id: "one", created: false });
    expect((await said(["enqueue", "greet", "--unique", "k", "--on-conflict", "throw"])).text).toContain("(UNIQUE_CONFLICT)");
  });

  test("with arguments from a file or the standard input", async () => {
    writeFileSync(join(dir, "args.json"), '{"name":"file"}');
    await said(["enqueue", "greet", "--args-file", join(dir, "args.json"), "--id", "a"]);
    expect((await omniq.tasks.get("a"))?.funcArgs).toEqual({ name: "file" });
    const fake = fakeTerminal();
    fake.terminal.stdin.push('{"name":"stdin"}');
    fake.terminal.stdin.push(null);
    expect(await execute(["enqueue", "greet", "-", "--id", "b", "--base-dir", dir], fake.terminal)).toBe(0);
    expect((await omniq.tasks.get("b"))?.funcArgs).toEqual({ name: "stdin" });
  });

  test("with numbers that JavaScript can hold, as near as it can", async () => {
    await said(["enqueue", "greet", "[9007199254740992, 0.1, 1e21, -0, 1.00000000000000000001, 100]", "--id", "a"]);
    expect((await omniq.tasks.get("a"))?.funcArgs).toEqual([9007199254740992, 0.1, 1e21, -0, 1, 100]);
  });

  test.each([
    ["a number of 400 digits", `[${"9".repeat(400)}]`, 2, "JavaScript has no number so long"],
    ["lists in lists without end", `${"[".repeat(100_000)}${"]".repeat(100_000)}`, 2, "Expected the arguments to be JSON"],
    ["lists in lists", `${"[".repeat(300)}${"]".repeat(300)}`, 1, "deeper than 200 levels"],
  ])("%s: nothing is enqueued", async (_, args, code, hint) => {
    const answered = await said(["enqueue", "greet", args, "--id", "a"]);
    expect([answered.code, answered.text]).toEqual([code, expect.stringContaining(hint) as string]);
    expect(await omniq.tasks.get("a")).toBeUndefined();
  });

  test("with arguments that are no UTF-8: 2, and nothing is enqueued", async () => {
    writeFileSync(join(dir, "args.json"), Buffer.from([0x22, 0xff, 0x22]));
    const { code, text } = await said(["enqueue", "greet", "--args-file", join(dir, "args.json"), "--id", "a"]);
    expect([code, text]).toEqual([2, expect.stringContaining("args.json to be UTF-8") as string]);
    expect(await omniq.tasks.get("a")).toBeUndefined();
  });

  test.each([
    [["{name:1}"], "Expected the arguments to be JSON"],
    [['{"id":9007199254740993}'], "JavaScript has no number 9007199254740993: write it as a text"],
    [["[1e999]"], "JavaScript has no number 1e999"],
    [["--callback-args", '{"id":-9007199254740993}'], "JavaScript has no number"],
    [["{}", "--args-file", "x"], "got both"],
    [["--args-file", "not-there.json"], "to be a file that can be read"],
    [["--if-failed", "run"], "together with --depends-on"],
    [["--on-conflict", "keep"], "together with --unique"],
    [["--callback-args", "[1]"], "to be a JSON object"],
    [["--callback-args", "{"], "Expected JSON"],
    [["--in", "soon"], "Expected a duration"],
    [["--in", "1s", "--at", "2030-01-01"], "--at to be given alone, not together with --in"],
    [["--backoff", "exponental"], "Did you mean exponential?"],
  ])("%j: 2, and nothing is enqueued", async (more, hint) => {
    const { code, text } = await said(["enqueue", "greet", ...more]);
    expect(code).toBe(2);
    expect(text).toContain(hint);
    expect((await omniq.tasks.find()).items).toEqual([]);
  });

  test("is refused where a parent is missing: 1", async () => {
    expect(await said(["enqueue", "greet", "--depends-on", "nobody"])).toMatchObject({
      code: 1,
      text: expect.stringContaining("(UNKNOWN_PARENT)"),
    });
  });

  test("--wait answers the result, and the exit code says how it ended", async () => {
    const worker = omniq.worker({ tasks: [greet, refuse] });
    await worker.start();
    const done = await said(["enqueue", "greet", '{"name":"x"}', "--wait"]);
    expect(done).toMatchObject({ code: 0, answer: '{"text":"hello x"}\n' });
    expect(await json(["enqueue", "greet", '{"name":"y"}', "--id", "y", "--wait", "10s"])).toEqual({
      id: "y",
      created: true,
      status: "completed",
      result: { text: "hello y" },
    });
    const failed = await said(["enqueue", "refuse", "--wait"]);
    expect(failed).toMatchObject({ code: 1, answer: "" });
    expect(failed.text).toContain("it cannot be (TASK_FAILED)");
    expect(await json(["enqueue", "refuse", "--wait", "--id", "f"])).toMatchObject({ status: "failed", error: "FatalError: it cannot be" });
    const unkept = await said(["enqueue", "greet", '{"name":"z"}', "--wait", "--discard-result"]);
    expect(unkept).toMatchObject({ code: 0, text: expect.stringContaining("It completed; its result is not kept.") });
    await worker.stop();
  });

  test("--wait says why it may be in vain, and gives up in time", async () => {
    const alone = await said(["enqueue", "greet", "--wait", "1ms"]);
    expect(alone).toMatchObject({ code: 1, answer: "" });
    expect(alone.text).toContain('note: No live worker serves its queue "default"');
    expect(alone.text).toContain("(RESULT_TIMEOUT)");
    const worker = omniq.worker({ tasks: [greet] });
    await worker.start();
    expect((await said(["enqueue", "gret", "--wait", "1ms"])).text).toContain("Did you mean greet?");
    await worker.stop();
  });

  test("makes no database", async () => {
    const { code, text } = await said(["enqueue", "greet", "--project", "typo"]);
    expect(code).toBe(1);
    expect(text).toContain("`omniq worker` and `omniq migrate` make a database");
    expect(text).toContain("(STORAGE_NOT_FOUND)");
  });
});
