/** What whoever can enqueue, or write to the database, can make a worker do: run the handlers that it was given, and nothing more. */
import { execFile } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { Client } from "pg";
import { afterEach, describe, expect, vi } from "vitest";
import { execute } from "../../src/cli/main.ts";
import { defineTask, FatalError, OmniQ } from "../../src/index.ts";
import type { Logger } from "../../src/index.ts";
import { test as base } from "../fixtures/context.ts";
import { ENGINES } from "../fixtures/engines.ts";
import { fakeTerminal } from "../unit/cli/fake-terminal.ts";

const known = defineTask({ name: "known", handler: (args: unknown) => ({ args }) });
const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/** A module that leaves a mark when it is imported, and the names by which somebody might try. */
function trap(dir: string): { readonly names: readonly string[]; readonly sprung: () => boolean } {
  const [file, mark] = [join(dir, "trap.mjs"), join(dir, "sprung")];
  writeFileSync(file, `import { writeFileSync } from "node:fs"; writeFileSync(${JSON.stringify(mark)}, ""); export default () => {};`);
  const url = pathToFileURL(file).href;
  const inline = `data:text/javascript,${encodeURIComponent(`await import(${JSON.stringify(url)})`)}`;
  const paths = [file, url, `${url}#default`, "./trap.mjs", "../trap.mjs", inline];
  const modules = ["node:child_process", "fs:rmSync", "node:fs#rmSync", "omniq/testing"];
  const inherited = ["__proto__", "constructor", "toString", "hasOwnProperty", "valueOf", "prototype", "default"];
  const code = ["eval", "Function", "process.exit(7)", "${process.exit(7)}", "(() => process.exit(7))()", "known.handler", "known#handler"];
  return { names: [...paths, ...modules, ...inherited, ...code], sprung: () => existsSync(mark) };
}

describe.each(ENGINES)("on $name", ({ place }) => {
  const test = base.extend("home", ({ testDir }, { onCleanup }) => {
    const { options, flags, remove } = place(testDir);
    const omniq = new OmniQ<unknown>({ ...options, logger: silent });
    onCleanup(async () => {
      await omniq.close();
      await remove();
    });
    return { omniq, flags, options };
  });

  test("a name is looked up among the definitions, never a path, a module or what objects inherit", async ({ home, testDir }) => {
    const { omniq, flags } = home;
    const { names, sprung } = trap(testDir);
    for (const [i, name] of names.entries()) {
      await omniq.enqueueNamed(name, { name }, { id: `name-${i}` });
      await omniq.enqueue(known, { i }, { id: `caller-${i}`, callback: name });
      await omniq.scheduleNamed(name, { name }, { id: `schedule-${i}`, once: true });
      const { terminal } = fakeTerminal();
      expect(await execute(["enqueue", name, "--id", `typed-${i}`, ...flags], terminal)).toBe(0);
    }
    await omniq.worker({ tasks: [known], concurrency: 8 }).drain();
    expect(sprung()).toBe(false);
    const tasks = (await omniq.tasks.find({ limit: 1_000 })).items;
    expect(tasks.filter(({ func }) => func === "known").map(({ status }) => status)).toEqual(names.map(() => "completed"));
    const others = tasks.filter(({ func }) => func !== "known");
    // By name, by callback, by schedule, typed.
    expect(others.length).toBe(names.length * 4);
    expect(new Set(others.map(({ func, status, startedAt }) => `${String(names.includes(func))} ${status} ${String(startedAt)}`))).toEqual(
      new Set(["true pending undefined"]),
    );
  });

  describe("statements", () => {
    afterEach(() => {
      vi.restoreAllMocks();
    });

    test("hold nothing that anybody gave: values are bound", async ({ home: { omniq, flags } }) => {
      const texts = statements();
      const evil = `canary'"\`$1?;-- DROP TABLE tasks`;
      const fails = defineTask({
        name: evil,
        handler: () => {
          throw new FatalError(evil);
        },
      });
      const all = { label: evil, description: evil, tags: [evil], queueName: evil, callback: evil, callbackArgs: { [evil]: evil } };
      await omniq.enqueueNamed(evil, { [evil]: evil }, { id: evil, ...all, unique: { key: evil } });
      await omniq.enqueue(known, evil, { id: `${evil}2`, queueName: evil, dependsOn: [{ on: evil, ifFailed: "run" }] });
      await omniq.enqueue(known, evil, { id: `${evil}3`, runIn: "1h" });
      await omniq.schedule(known, evil, { id: evil, every: "1h", name: evil, tags: [evil] });
      await omniq.schedules.runNow(evil);
      await omniq.worker({ tasks: [known, fails], queues: [evil, "default"] }).drain();
      await omniq.tasks.cancel(`${evil}3`, { reason: evil });
      const filter = { func: evil, queueName: evil, tags: [evil] };
      expect((await omniq.tasks.find(filter)).items.map(({ id, status }) => [id, status])).toEqual([[evil, "failed"]]);
      expect((await omniq.events.find({ taskId: evil })).length).toBeGreaterThan(2);
      await omniq.events.find({ scheduleId: evil });
      await omniq.results.get(evil);
      await omniq.results.latest(evil);
      await omniq.tasks.why(evil);
      await omniq.queues.pause(evil);
      await omniq.schedules.pause(evil);
      await omniq.schedules.delete(evil);
      await omniq.tasks.retry(evil);
      await omniq.tasks.delete(filter);
      await omniq.queues.clear(evil);
      for (const argv of [
        ["tasks", "list", "--queue", evil, "--tag", evil],
        ["events", "--task", evil],
        ["queues", "pause", evil],
      ])
        expect(await execute([...argv, ...flags], fakeTerminal().terminal)).toBe(0);
      expect(texts.size).toBeGreaterThan(50);
      expect([...texts].filter((text) => text.includes("canary"))).toEqual([]);
    });
  });
});

/** The text of each statement from now on, whatever library it goes through. */
function statements(): ReadonlySet<string> {
  const texts = new Set<string>();
  for (const verb of ["prepare", "exec"] as const) {
    const original = DatabaseSync.prototype[verb];
    vi.spyOn(DatabaseSync.prototype, verb).mockImplementation(function (this: DatabaseSync, sql: string, ...rest: never[]) {
      texts.add(sql);
      return Reflect.apply(original, this, [sql, ...rest]) as never;
    });
  }
  // oxlint-disable-next-line typescript/unbound-method -- it is called with its own `this` below
  const query = Client.prototype.query as (...args: unknown[]) => unknown;
  vi.spyOn(Client.prototype, "query").mockImplementation(function (this: Client, ...args: unknown[]) {
    const [asked] = args;
    texts.add(typeof asked === "object" && asked !== null && "text" in asked ? String(asked.text) : String(asked));
    return Reflect.apply(query, this, args) as never;
  });
  return texts;
}

const INDEX = new URL("../../src/index.ts", import.meta.url).href;
const SQLITE = new URL("../../src/sqlite.ts", import.meta.url).href;

/** What a program of its own prints, with options of Node. */
async function program(cwd: string, code: string, ...options: readonly string[]): Promise<string> {
  writeFileSync(join(cwd, "program.mjs"), code);
  const { stdout } = await promisify(execFile)(process.execPath, [...options, "program.mjs"], { cwd });
  return stdout.trim();
}

base("nothing needs the accessor `__proto__`, and keys of that name are data", { tags: ["slow"] }, async ({ testDir }) => {
  const code = `
    import { defineTask, OmniQ } from ${JSON.stringify(INDEX)};
    const echo = defineTask({ name: "echo", handler: (args) => args });
    const evil = JSON.parse('{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},"n":1}');
    const omniq = OmniQ.fromConfig({ projectName: "p", taskQueue: { config: { baseDir: "." } } });
    const handle = await omniq.enqueue(echo, { evil, date: new Date(0) }, { callback: "later", callbackArgs: evil });
    await omniq.worker({ tasks: [echo] }).drain();
    const { evil: back } = await handle.result();
    const [later] = (await omniq.tasks.find({ func: "later" })).items;
    console.log(JSON.stringify([back, Object.hasOwn(later.funcArgs, "__proto__"), {}.polluted ?? "clean"]));
    await omniq.close();`;
  const evil = '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},"n":1}';
  expect(await program(testDir, code, "--disable-proto=throw")).toBe(`[${evil},true,"clean"]`);
});

base(
  "files are their owner's alone, whatever the mask of the process: the database, what lies beside it, and its copies",
  { tags: ["slow"] },
  async ({ testDir }) => {
    const code = `
    import { umask } from "node:process";
    import { SQLiteBackend } from ${JSON.stringify(SQLITE)};
    import { readdirSync, statSync } from "node:fs";
    umask(0);
    const backend = new SQLiteBackend({ projectName: "p", baseDir: "." });
    await backend.initialize();
    await backend.desk.setPaused("q", true);
    await backend.backup("copy.db");
    const names = readdirSync(".").filter((name) => name !== "program.mjs");
    const modes = names.map((name) => name + " " + (statSync(name).mode & 0o777).toString(8));
    await backend.close();
    console.log(modes.sort().join(", "));`;
    expect(await program(testDir, code)).toBe("copy.db 600, p.db 600, p.db-shm 600, p.db-wal 600");
  },
);
