/** The enqueuing side: arguments checked and made text, options resolved, one call to the backend for each call of the user's. */
import { refusedError } from "../components/refused.ts";
import type { Enqueued } from "../core/backend.ts";
import { ConnectionError, EnqueueRefusedError, expected, SyncUnsupportedError } from "../core/errors.ts";
import { parentsFirst } from "../core/graph.ts";
import { refuseUnknown } from "../core/nearest.ts";
import type { TaskId } from "../core/record.ts";
import type { NewTask } from "../core/task.ts";
import { isTaskReference } from "./definition.ts";
import { Handle } from "./handle.ts";
import type { HandleHost } from "./handle.ts";
import { encodeArgs, ENQUEUE_KEYS, resolveTask } from "./options.ts";
import type { Named } from "./options.ts";
import { parseWith } from "./schema.ts";
import type { Shared } from "./shared.ts";
import type { AnyHandle, EnqueueOptions, TaskReference } from "./signatures.ts";

interface Prepared {
  readonly record: NewTask;
  /** The check of an asynchronous schema. */
  readonly checking: Promise<unknown> | undefined;
}

/** One task with its arguments, as it comes from outside. */
interface Call {
  readonly task: unknown;
  readonly args?: unknown;
  readonly options?: EnqueueOptions | undefined;
}

const WITH_TX = [...ENQUEUE_KEYS, "tx"];
const CALL_KEYS = ["task", "args", "options"];
const NO_OPTIONS: EnqueueOptions = {};

export class Client {
  readonly #shared: Shared;
  readonly #host: HandleHost;

  constructor(shared: Shared, host: HandleHost) {
    this.#shared = shared;
    this.#host = host;
  }

  /** With `tx` among the options everything is done before the promise is returned. */
  async enqueue(task: unknown, args: unknown, options: EnqueueOptions & { readonly tx?: unknown } = {}): Promise<AnyHandle> {
    return this.#write(this.#prepare(referenceOf(task, "task"), args, options, WITH_TX), options.tx);
  }

  /** Without its definition: nothing is checked, the defaults are the configuration's. */
  async enqueueNamed(name: string, args: unknown, options: EnqueueOptions & { readonly tx?: unknown } = {}): Promise<AnyHandle> {
    return this.#write(this.#prepare({ name }, args, options, WITH_TX), options.tx);
  }

  /** From within a handler: the id comes from the parent and the number of the call, so that a second attempt makes no second child. */
  async enqueueChild(parent: TaskId, call: number, task: unknown, args: unknown, options: EnqueueOptions = {}): Promise<AnyHandle> {
    const prepared = this.#prepare(referenceOf(task, "task"), args, { ...options, id: options.id ?? this.#shared.childId(parent, call) });
    try {
      return await this.#write(prepared, undefined);
    } catch (error) {
      // The child of an earlier attempt, made with arguments that have changed since (a time, a random number): it is the same child.
      const { id, func } = prepared.record;
      if (options.id !== undefined || !(error instanceof EnqueueRefusedError) || error.code !== "ID_REUSED") throw error;
      const [made] = await this.#shared.access.use((stores) => stores.main.desk.get([id]));
      if (made?.func !== func) throw error;
      return new Handle(this.#host, id, false);
    }
  }

  /** All of them or none; the handles stand as the calls do. */
  async enqueueMany(calls: readonly Call[], options: { readonly tx?: unknown } = {}): Promise<readonly AnyHandle[]> {
    if (!Array.isArray(calls)) throw expected("calls", "an array of { task, args, options }", calls);
    refuseUnknown(options, ["tx"], "the options of enqueueMany()");
    const prepared = calls.map((call, i) => this.#prepareCall(call, i));
    return prepared.length === 0 ? [] : this.#writeAll(prepared, options.tx);
  }

  #prepareCall(call: Call, i: number): Prepared {
    if (typeof call !== "object" || call === null) throw expected(`calls[${i}]`, "an object { task, args, options }", call);
    if (!isTaskReference(call.task)) throw expected(`calls[${i}].task`, "a task made by defineTask()", call.task);
    refuseUnknown(call, CALL_KEYS, `calls[${i}]`);
    const options = call.options ?? NO_OPTIONS;
    if (typeof options === "object" && "tx" in options)
      throw expected(`calls[${i}].options.tx`, "given once for all of them, as enqueueMany(calls, { tx })", options.tx);
    return this.#prepare(call.task, call.args, options);
  }

  #prepare(task: Named, args: unknown, options: EnqueueOptions, known = ENQUEUE_KEYS): Prepared {
    const record = resolveTask(this.#shared, task, encodeArgs(this.#shared, args), options, known);
    const input = "input" in task ? task.input : undefined;
    // What was passed is stored; the worker parses it once more and gives its handler the schema's output.
    const checked = input === undefined ? undefined : parseWith(input, args, `the arguments of "${task.name}"`);
    if (!(checked instanceof Promise)) return { record, checking: undefined };
    // Another error of the same call may come first, and then nobody waits for this one.
    checked.catch(() => {});
    return { record, checking: checked };
  }

  /** One task: the way that most calls go, so it makes nothing that it does not need. */
  async #write({ record, checking }: Prepared, tx: unknown): Promise<AnyHandle> {
    const tasks = record.dependsOn.length === 0 ? [record] : parentsFirst([record]);
    if (tx !== undefined) this.#allowTx(checking !== undefined);
    if (checking !== undefined) await checking;
    const [answers] = await this.#shared.access.use((stores) => stores.enqueue([{ tasks, announce: true }], tx));
    return this.#handleOf(answers?.[0], record.id);
  }

  async #writeAll(prepared: readonly Prepared[], tx: unknown): Promise<readonly AnyHandle[]> {
    const given = prepared.map(({ record }) => record);
    const tasks = parentsFirst(distinct(given));
    const checks = prepared.flatMap(({ checking }) => checking ?? []);
    if (tx !== undefined) this.#allowTx(checks.length > 0);
    if (checks.length > 0) await Promise.all(checks);
    const [answers = []] = await this.#shared.access.use((stores) => stores.enqueue([{ tasks, announce: true }], tx));
    if (tasks === given) return given.map(({ id }, i) => this.#handleOf(answers[i], id));
    const answerOf = new Map(tasks.map((task, i) => [task.id, answers[i]]));
    return given.map(({ id }) => this.#handleOf(answerOf.get(id), id));
  }

  #handleOf(answer: Enqueued | undefined, id: TaskId): AnyHandle {
    if (answer?.is === "refused") throw refusedError(answer);
    return new Handle(this.#host, answer?.id ?? id, answer?.is === "added");
  }

  /** Nothing may be awaited before the rows are written within the caller's transaction: so all is opened by now, or refused. */
  #allowTx(hasToWait: boolean): void {
    if (hasToWait) throw new SyncUnsupportedError("Expected a synchronous input schema together with `tx`, got one that returns a promise");
    const stores = this.#shared.access.openNow();
    const { name, tx } = stores.main.traits;
    if (!tx)
      throw new ConnectionError("TX_UNSUPPORTED", `Expected no \`tx\`: the backend "${name}" cannot write within a transaction of yours`);
    if (stores.events !== stores.main) {
      throw new ConnectionError(
        "TX_UNSUPPORTED",
        "Expected no `tx` where the events lie elsewhere: they cannot be part of the transaction",
      );
    }
  }
}

function referenceOf(task: unknown, name: string): TaskReference {
  if (!isTaskReference(task)) throw expected(name, "a task made by defineTask()", task);
  return task;
}

/** An id may stand once in a call: which of two would be meant? */
function distinct(tasks: readonly NewTask[]): readonly NewTask[] {
  const seen = new Set<TaskId>();
  for (const { id } of tasks) {
    if (seen.has(id)) throw new EnqueueRefusedError("ID_REUSED", `Expected each id once in a call, got ${id} twice; nothing was enqueued`);
    seen.add(id);
  }
  return tasks;
}
