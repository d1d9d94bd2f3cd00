/** Types of the façade: compiled, never run. A line that should not compile and does is an error too. */
import { pino } from "pino";
import { z } from "zod";
import { expectTypeOf } from "vitest";
import { defineTask, OmniQ } from "../../../src/index.ts";
import type { Backend, ConfigExport, SQLiteHandle, TaskHandle, TaskReference } from "../../../src/index.ts";

const resize = defineTask({
  name: "resize",
  input: z.object({ url: z.string(), width: z.number().optional() }),
  handler: ({ url, width }) => Promise.resolve({ path: `${url}-${width}` }),
});
const add = defineTask({ name: "add", handler: ({ x, y }: { x: number; y: number }) => x + y });
const tick = defineTask({ name: "tick", handler: () => true });
const maybe = defineTask({ name: "maybe", handler: (text?: string) => text });
const report = defineTask<{ day: string }, number>({ name: "report" });
const omniq = new OmniQ();

// enqueue: the arguments are those of the task, the result flows to the handle.
expectTypeOf(omniq.enqueue(resize, { url: "a" })).resolves.toEqualTypeOf<TaskHandle<{ path: string }>>();
expectTypeOf((await omniq.enqueue(add, { x: 1, y: 2 })).result()).resolves.toBeNumber();
expectTypeOf((await omniq.enqueue(tick)).result({ timeout: "1s" })).resolves.toBeBoolean();
expectTypeOf((await omniq.enqueue(report, { day: "2026-01-01" })).result()).resolves.toBeNumber();
await omniq.enqueue(tick, undefined, { priority: 1 });
await omniq.enqueue(maybe, "text");
await omniq.enqueue(maybe, undefined);
// @ts-expect-error arguments are missing
await omniq.enqueue(add);
// @ts-expect-error an argument is missing
await omniq.enqueue(add, { x: 1 });
// @ts-expect-error a wrong type
await omniq.enqueue(add, { x: 1, y: "2" });
// @ts-expect-error an excess property
await omniq.enqueue(add, { x: 1, y: 2, z: 3 });
// @ts-expect-error an excess property, with a schema
await omniq.enqueue(resize, { url: "a", height: 3 });
// @ts-expect-error an unknown option
await omniq.enqueue(add, { x: 1, y: 2 }, { queue: "high" });
// @ts-expect-error a wrong option
await omniq.enqueue(add, { x: 1, y: 2 }, { priority: "high" });
// @ts-expect-error a task takes no arguments
await omniq.enqueue(tick, { x: 1 });
// @ts-expect-error a name is no task: that is enqueueNamed
await omniq.enqueue("add", { x: 1, y: 2 });
// @ts-expect-error a wait has no such option
await (await omniq.enqueue(tick)).result({ wait: "1s" });

// Options that refer to other tasks.
const handle = await omniq.enqueue(add, { x: 1, y: 2 }, { runIn: "5s", unique: { key: "k", until: "1h", onConflict: "replace" } });
await omniq.enqueue(tick, undefined, {
  dependsOn: [handle, "id", { on: handle, ifFailed: "run" }],
  callback: report,
  callbackArgs: { day: "x" },
});
// @ts-expect-error no such way to meet a conflict
await omniq.enqueue(tick, undefined, { unique: { key: "k", onConflict: "ignore" } });

// By name nothing is known, unless it is said.
expectTypeOf((await omniq.enqueueNamed("add", { x: 1 })).result()).resolves.toBeUnknown();
expectTypeOf((await omniq.enqueueNamed<number>("add")).result()).resolves.toBeNumber();
expectTypeOf(omniq.handle(add, "id").result()).resolves.toBeNumber();
expectTypeOf(omniq.handle("id").result()).resolves.toBeUnknown();

// enqueueMany: typed per element, tuple in, tuple out.
const [one, two, three] = await omniq.enqueueMany([
  { task: add, args: { x: 1, y: 2 }, options: { priority: 2 } },
  resize.with({ url: "a" }),
  tick.with(),
]);
expectTypeOf(one.result()).resolves.toBeNumber();
expectTypeOf(two.result()).resolves.toEqualTypeOf<{ path: string }>();
expectTypeOf(three.result()).resolves.toBeBoolean();
const many = await omniq.enqueueMany([1, 2].map((x) => add.with({ x, y: x })));
expectTypeOf(many[0]?.result()).toEqualTypeOf<Promise<number> | undefined>();
// @ts-expect-error a wrong argument of the second
await omniq.enqueueMany([add.with({ x: 1, y: 2 }), { task: add, args: { x: "1", y: 2 } }]);
// @ts-expect-error an unknown option of an element
await omniq.enqueueMany([{ task: add, args: { x: 1, y: 2 }, options: { queue: "high" } }]);
// @ts-expect-error the second element has no arguments
await omniq.enqueueMany([add.with({ x: 1, y: 2 }), { task: add }]);

// worker: definitions of any types, or modules; no reference without a handler.
omniq.worker({ tasks: [resize, add, tick, maybe, report.implement(({ day }) => day.length)], queues: ["high"] });
omniq.worker({ modules: [new URL("file:///tasks.js")] });
// @ts-expect-error a reference has no handler
omniq.worker({ tasks: [report] });
// @ts-expect-error tasks or modules, not both
omniq.worker({ tasks: [add], modules: [new URL("file:///tasks.js")] });
// @ts-expect-error an unknown option
omniq.worker({ tasks: [add], concurency: 3 });

// schedule
await omniq.schedule(resize, { url: "a" }, { id: "nightly", cron: "0 3 * * *", timezone: "Europe/Berlin" });
await omniq.schedule(tick, undefined, { every: "1h" });
// @ts-expect-error a wrong argument
await omniq.schedule(resize, { link: "a" }, { every: "1h" });
// @ts-expect-error an occurrence has an id of its own making
await omniq.schedule(tick, undefined, { every: "1h", runAt: new Date(0) });

// Looking after.
const found = await omniq.tasks.find({ phase: "retrying", tags: ["a"] });
expectTypeOf(found.next).toEqualTypeOf<string | undefined>();
expectTypeOf(await omniq.tasks.cancel("id")).toEqualTypeOf<"cancelled" | "asked" | "final" | "missing">();
expectTypeOf((await omniq.tasks.delete({ func: "add" })).deleted).toEqualTypeOf<number | undefined>();
const why = await omniq.tasks.why("id");
if (why.reason === "retry") expectTypeOf(why.details.at).toEqualTypeOf<Date>();
// @ts-expect-error the details are those of the reason
if (why.reason === "final") expectTypeOf(why.details.at).toBeAny();
// @ts-expect-error no such phase
await omniq.tasks.find({ phase: "waiting" });

// tx is typed: the handle of the backend's own kind, or none at all.
declare const sqlite: SQLiteHandle;
declare const postgres: { query(sql: string): Promise<unknown> };
declare const overPostgres: Backend<typeof postgres>;
declare const withoutTx: Backend<never>;
await omniq.enqueue(tick, undefined, { tx: sqlite });
await omniq.enqueueMany([tick.with()], { tx: sqlite });
// @ts-expect-error another backend's transaction
await omniq.enqueue(tick, undefined, { tx: postgres });
await new OmniQ({ backend: overPostgres }).enqueue(tick, undefined, { tx: postgres });
// @ts-expect-error another backend's transaction
await new OmniQ({ backend: overPostgres }).enqueue(tick, undefined, { tx: sqlite });
// @ts-expect-error this backend has none
await new OmniQ({ backend: withoutTx }).enqueue(tick, undefined, { tx: sqlite });
// @ts-expect-error tx belongs to the call, not to one of its tasks
await omniq.enqueueMany([tick.with(undefined, { tx: sqlite })]);

// An erased reference still can be passed on.
const references: readonly TaskReference[] = [resize, add, report];

// What a configuration that is a module may export, and which loggers there are.
export const plainConfig = { projectName: "shop", taskQueue: { config: { queues: ["a"] } } } satisfies ConfigExport;
export const madeConfig = (async ({ env }) => ({ projectName: env["STAGE"] ?? "shop" })) satisfies ConfigExport;
// @ts-expect-error an unknown key
export const wrongConfig = { projectNme: "shop" } satisfies ConfigExport;
// @ts-expect-error a value of another kind
export const wrongLevel = { logging: { components: { worker: "loud" } } } satisfies ConfigExport;
export const loggers = [new OmniQ({ logger: console }), new OmniQ({ logger: pino() }), new OmniQ({ logger: pino().child({}) })];

// @ts-expect-error an unknown option
export const wrong = new OmniQ({ project: "shop" });
export { references };
