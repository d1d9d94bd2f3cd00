/** The definition behind a task's name, where a command is told the modules that hold it. */
import { nearest } from "../core/nearest.ts";
import type { TaskReference } from "../index.ts";
import { isTaskReference } from "../runtime/definition.ts";
import { UsageError } from "./command.ts";
import type { Given, Run } from "./command.ts";
import { plain } from "./text.ts";
import { importTasks, taskFilesOf } from "./worker/modules.ts";
import { leaveSoon } from "./worker/work.ts";

/**
 * The definition or reference that `--tasks` has under this name, or had under it before; undefined without `--tasks`.
 * @throws ModuleError; UsageError for a name that none has.
 */
export async function definitionOf(given: Given, name: string): Promise<TaskReference<unknown> | undefined> {
  const named = given.texts("tasks");
  if (named.length === 0) return undefined;
  const known = new Map<string, TaskReference<unknown>>();
  for (const file of taskFilesOf(named)) {
    const { exports } = await importTasks(file);
    for (const task of exportedBy(exports)) for (const each of [...task.aliases, task.name]) known.set(each, task);
  }
  const found = known.get(name);
  if (found !== undefined) return found;
  const near = nearest(name, [...known.keys()]);
  const hint = near === undefined ? "" : `. Did you mean ${plain(near)}?`;
  throw new UsageError(`Expected a task that ${named.join(" or ")} exports, got ${plain(name)}${hint}`);
}

function exportedBy(exports: unknown): readonly TaskReference<unknown>[] {
  const values: readonly unknown[] = Object.values(typeof exports === "object" && exports !== null ? exports : {});
  return values.flatMap((value): readonly unknown[] => (Array.isArray(value) ? value : [value])).filter((value) => takesAnything(value));
}

/** Its arguments come from the command line: it is the schema that checks them, not the compiler. */
function takesAnything(value: unknown): value is TaskReference<unknown> {
  return isTaskReference(value);
}

/** What a module of `--tasks` left open (timers, pools) keeps no command alive. */
export function leaving(run: Run): Run {
  return (given, terminal) =>
    run(given, terminal).finally(() => {
      if (given.texts("tasks").length > 0) leaveSoon();
    });
}
