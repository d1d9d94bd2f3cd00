/** Types of `defineTask`: compiled, never run. A line that should not compile and does is an error too. */
import { z } from "zod";
import { expectTypeOf } from "vitest";
import { defineTask } from "../../../src/runtime/definition.ts";
import type { InOf, OutOf, TaskDefinition, TaskReference } from "../../../src/runtime/definition.ts";

const schema = z.object({ url: z.string(), width: z.coerce.number<string>().default(3) });

// The handler gets the schema's output, enqueue its input, the result type comes from the handler.
const resize = defineTask({
  name: "resize",
  input: schema,
  handler: async ({ url, width }, ctx) => {
    expectTypeOf(url).toEqualTypeOf<string>();
    expectTypeOf(width).toEqualTypeOf<number>();
    if (width > 9) return ctx.discard({ reason: "too wide" });
    return { path: `${url}-${width}` };
  },
});
expectTypeOf<InOf<typeof resize>>().toEqualTypeOf<{ url: string; width?: string | undefined }>();
expectTypeOf<OutOf<typeof resize>>().toEqualTypeOf<{ path: string }>();

// With an output schema the handler gives its input, the result is its output.
const counted = defineTask({ name: "counted", input: z.string(), output: z.string().transform(Number), handler: (text) => text });
expectTypeOf<OutOf<typeof counted>>().toEqualTypeOf<number>();
// @ts-expect-error the handler must give what the output schema takes
defineTask({ name: "wrong", input: z.string(), output: z.string().transform(Number), handler: (text) => text.length });

// Without schemas: the handler's own annotation.
const add = defineTask({ name: "add", handler: ({ x, y }: { x: number; y: number }) => x + y });
expectTypeOf<InOf<typeof add>>().toEqualTypeOf<{ x: number; y: number }>();
expectTypeOf<OutOf<typeof add>>().toEqualTypeOf<number>();
const tick = defineTask({ name: "tick", handler: () => Promise.resolve("done" as const) });
expectTypeOf<OutOf<typeof tick>>().toEqualTypeOf<"done">();
tick.with();
add.with({ x: 1, y: 2 });
// @ts-expect-error arguments are missing
add.with();
// @ts-expect-error a wrong argument
add.with({ x: "1", y: 2 });

// A reference: no handler, both types given or from its schema.
const stub = defineTask<{ x: number }, string>({ name: "stub" });
expectTypeOf<InOf<typeof stub>>().toEqualTypeOf<{ x: number }>();
expectTypeOf<OutOf<typeof stub>>().toEqualTypeOf<string>();
const done = stub.implement(({ x }) => String(x));
expectTypeOf<OutOf<typeof done>>().toEqualTypeOf<string>();
// @ts-expect-error the handler does not give what the reference promises
stub.implement(({ x }) => x);
defineTask({ name: "parsed", input: schema }).implement(({ width }) => expectTypeOf(width).toEqualTypeOf<number>());

// What a worker takes: definitions of any types, no references without a handler.
const tasks: readonly TaskDefinition[] = [resize, counted, add, tick, done];
// @ts-expect-error a reference has no handler
const notRunnable: TaskDefinition = stub;
const references: readonly TaskReference[] = [resize, stub, tick];

// @ts-expect-error an unknown option
defineTask({ name: "unknown", retries: 3, handler: () => 1 });
// @ts-expect-error the name is missing
defineTask({ handler: () => 1 });
// @ts-expect-error a wrong kind of backoff
defineTask({ name: "backoff", backoff: "linear", handler: () => 1 });
defineTask({ name: "backoff", backoff: (retryCount, error) => (error instanceof Error ? "5s" : retryCount * 1_000), handler: () => 1 });

export { notRunnable, references, tasks };
