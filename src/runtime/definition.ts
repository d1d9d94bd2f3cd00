/** A task as a value: `defineTask` checks it once, so that enqueue and worker need not. */
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { expected } from "../core/errors.ts";
import { refuseUnknown } from "../core/nearest.ts";
import { isClean } from "../core/text.ts";
import { checkDefaults, DEFAULT_KEYS } from "./defaults.ts";
import type {
  BackoffFunction,
  CallOf,
  Context,
  EnqueueOptions,
  TaskDefaults,
  TaskDefinition,
  TaskReference,
  TaskStub,
} from "./signatures.ts";

export type * from "./signatures.ts";

/** Also the same for a second copy of this library. */
const BRAND = Symbol.for("omniq.task");
/** Names are indexed and shown. */
const LONGEST_NAME = 200;

/** What every form of `defineTask` takes. */
export type DefinitionBase = Omit<TaskDefaults, "backoff"> & {
  /** What the task is called in the store, matched exactly: at most 200 characters, dots allowed, never a path. */
  readonly name: string;
  /** Earlier names of the task, which its workers still serve. */
  readonly aliases?: readonly string[] | undefined;
  /** Whether an error is worth a retry. Default: every one but a FatalError. */
  readonly retryIf?: ((error: unknown) => boolean) | undefined;
  /** A function computes the wait in the worker. Default `"fixed"`. */
  readonly backoff?: TaskDefaults["backoff"] | BackoffFunction | undefined;
};
type In<S extends StandardSchemaV1> = StandardSchemaV1.InferInput<S>;
type Out<S extends StandardSchemaV1> = StandardSchemaV1.InferOutput<S>;

/**
 * Makes a task: with a handler, one that a worker can run; without, a typed reference that `.implement(handler)` completes.
 *
 * `input`, any Standard Schema, checks the arguments at enqueue and again in the worker, whose handler gets the schema's output;
 * `output` does the same for what the handler returns. Without schemas the types are those of the handler, or the two type arguments.
 * @throws InvalidOptionError for a wrong value, `UNKNOWN_OPTION` for an option that is not known.
 */
export function defineTask<const S extends StandardSchemaV1, HR>(
  options: DefinitionBase & {
    readonly input: S;
    readonly output?: undefined;
    readonly handler: (args: Out<S>, ctx: Context) => HR | Promise<HR>;
  },
): TaskDefinition<In<S>, Awaited<HR>>;
export function defineTask<const S extends StandardSchemaV1, const O extends StandardSchemaV1>(
  options: DefinitionBase & {
    readonly input: S;
    readonly output: O;
    readonly handler: (args: Out<S>, ctx: Context) => In<O> | Promise<In<O>>;
  },
): TaskDefinition<In<S>, Out<O>>;
export function defineTask<Args = void, R = unknown>(
  options: DefinitionBase & {
    readonly input?: undefined;
    readonly output?: undefined;
    readonly handler: (args: Args, ctx: Context) => R | Promise<R>;
  },
): TaskDefinition<Args, Awaited<R>>;
export function defineTask<const S extends StandardSchemaV1, const O extends StandardSchemaV1>(
  options: DefinitionBase & { readonly input: S; readonly output: O; readonly handler?: undefined },
): TaskStub<In<S>, Out<S>, Out<O>, In<O>>;
export function defineTask<const S extends StandardSchemaV1>(
  options: DefinitionBase & { readonly input: S; readonly output?: undefined; readonly handler?: undefined },
): TaskStub<In<S>, Out<S>, unknown, unknown>;
export function defineTask<Args = void, R = unknown>(
  options: DefinitionBase & { readonly input?: undefined; readonly output?: undefined; readonly handler?: undefined },
): TaskStub<Args, Args, R, R>;
export function defineTask(options: Given): TaskReference | TaskDefinition {
  checkShape(options);
  const reference = referenceOf(options);
  const { handler } = options;
  const complete = (run: Handler): TaskDefinition =>
    Object.freeze({ ...reference, handler: run, retryIf: options.retryIf, backoff: options.backoff });
  if (handler !== undefined) return complete(handler);
  return Object.freeze({
    ...reference,
    implement(run: Handler): TaskDefinition {
      if (typeof run !== "function") throw expected("handler", "a function", run);
      return complete(run);
    },
  });
}

type Handler = (args: never, ctx: Context) => unknown;
interface Given extends DefinitionBase {
  readonly input?: StandardSchemaV1 | undefined;
  readonly output?: StandardSchemaV1 | undefined;
  readonly handler?: Handler | undefined;
}
const KEYS = [...DEFAULT_KEYS, "name", "aliases", "input", "output", "handler", "retryIf"];

function referenceOf(options: Given): TaskReference {
  const { backoff, ...rest } = options;
  const reference: TaskReference = {
    name: options.name,
    aliases: Object.freeze([...(options.aliases ?? [])]),
    defaults: Object.freeze(checkDefaults(typeof backoff === "function" ? rest : { ...rest, backoff })),
    input: options.input,
    output: options.output,
    with: (args: unknown, given?: EnqueueOptions): CallOf<TaskReference> => {
      // `args` is what this very task takes: `with` is only reached through its typed signature.
      const call = { task: reference, args: args as never };
      return given === undefined ? call : { ...call, options: given };
    },
  };
  return Object.defineProperty(reference, BRAND, { value: true, enumerable: true });
}

function checkShape(options: unknown): asserts options is Given {
  if (typeof options !== "object" || options === null) throw expected("options", "an object with the task's name", options);
  refuseUnknown(options, KEYS, "defineTask()");
  const { name, aliases, input, output, handler, retryIf }: Partial<Record<string, unknown>> = { ...options };
  checkTaskName(name, "name");
  if (aliases !== undefined && !Array.isArray(aliases)) throw expected("aliases", "an array of names", aliases);
  for (const alias of aliases ?? []) checkTaskName(alias, "aliases");
  for (const [key, schema] of Object.entries({ input, output })) {
    if (schema !== undefined && !isSchema(schema)) throw expected(key, "a Standard Schema (zod, valibot, arktype, ...)", schema);
  }
  for (const [key, fn] of Object.entries({ handler, retryIf })) {
    if (fn !== undefined && typeof fn !== "function") throw expected(key, "a function", fn);
  }
}

/**
 * Checks the name of a task.
 * @throws InvalidOptionError when it is empty, longer than 200 characters or holds a control character.
 */
export function checkTaskName(name: unknown, option: string): asserts name is string {
  if (typeof name !== "string" || name === "" || name.length > LONGEST_NAME || !isClean(name)) {
    throw expected(option, `a name of 1 to ${LONGEST_NAME} characters without control characters`, name);
  }
}

function isSchema(value: unknown): value is StandardSchemaV1 {
  if ((typeof value !== "object" && typeof value !== "function") || value === null || !("~standard" in value)) return false;
  const standard = value["~standard"];
  return typeof standard === "object" && standard !== null && "validate" in standard && typeof standard.validate === "function";
}

/** Whether a value was made by `defineTask`. */
export function isTaskReference(value: unknown): value is TaskReference {
  return typeof value === "object" && value !== null && Object.hasOwn(value, BRAND);
}

/** Whether a value is a task that can be run: made by `defineTask` with a handler, or completed by `implement`. */
export function isTaskDefinition(value: unknown): value is TaskDefinition {
  return isTaskReference(value) && "handler" in value;
}
