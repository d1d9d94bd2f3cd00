/** The tasks that a worker can run, by name and alias. */
import { expected, InvalidOptionError, ModuleError } from "../core/errors.ts";
import { importHint, lineIn } from "../core/import-hint.ts";
import { isTaskDefinition, isTaskReference } from "./definition.ts";
import type { TaskDefinition } from "./signatures.ts";

export class Registry {
  readonly #byName = new Map<string, TaskDefinition>();
  /** Every name, aliases too: what the worker asks for. Always the same array, so that a backend may remember what it made of it. */
  readonly names: readonly string[];

  /** @throws InvalidOptionError when something is not a definition with a handler, or when two of them share a name. */
  constructor(tasks: unknown) {
    if (!Array.isArray(tasks)) throw expected("tasks", "an array of tasks made by defineTask()", tasks);
    for (const task of tasks) this.#add(task);
    this.names = [...this.#byName.keys()];
  }

  find(name: string): TaskDefinition | undefined {
    return this.#byName.get(name);
  }

  #add(task: unknown): void {
    if (!isTaskDefinition(task)) {
      if (!isTaskReference(task)) throw expected("tasks[]", "a task made by defineTask()", task);
      throw new InvalidOptionError(
        "INVALID_OPTION",
        `Expected the task "${task.name}" to have a handler, got a reference (complete it with .implement(handler))`,
      );
    }
    for (const name of new Set([task.name, ...task.aliases])) {
      const other = this.#byName.get(name);
      if (other !== undefined && other !== task) {
        throw new InvalidOptionError(
          "INVALID_OPTION",
          `Expected the tasks to have names of their own, got "${name}" twice (in "${other.name}" and "${task.name}")`,
        );
      }
      this.#byName.set(name, task);
    }
  }
}

/**
 * Every definition that the modules export, each once.
 * @throws ModuleError when a module cannot be imported or exports none.
 */
export async function definitionsOf(
  modules: readonly string[],
  load: (url: string) => Promise<unknown>,
): Promise<readonly TaskDefinition[]> {
  const found = new Set<TaskDefinition>();
  for (const url of modules) {
    let exported: unknown;
    try {
      exported = await load(url);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      const line = lineIn(cause, url);
      const more = `${line === undefined ? "" : ` (${line})`}${importHint(cause, url)}`;
      throw new ModuleError("MODULE_NOT_LOADED", `Expected the module ${url} to be importable, got ${why}${more}`, { cause });
    }
    const definitions = Object.values(typeof exported === "object" && exported !== null ? exported : {})
      .flatMap((value: unknown) => (Array.isArray(value) ? value : [value]))
      .filter((value) => isTaskDefinition(value));
    if (definitions.length === 0) {
      throw new ModuleError("MODULE_EMPTY", `Expected the module ${url} to export tasks made by defineTask() with a handler, got none`);
    }
    for (const definition of definitions) found.add(definition);
  }
  return [...found];
}
