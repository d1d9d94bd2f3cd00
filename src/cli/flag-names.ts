/** What the API says of its options, in the flags that somebody typed. */
import { EnqueueRefusedError, InvalidOptionError } from "../core/errors.ts";
import type { CommandSpec } from "./command.ts";
import { optionsOf } from "./commands.ts";

/** The message of an error, with the flags of this command for the names of options that these set. */
export function messageOf(error: Error, spec: CommandSpec | undefined): string {
  const { message } = error;
  // In others the names may be those of somebody's own code or file.
  if (spec === undefined || !(error instanceof InvalidOptionError || error instanceof EnqueueRefusedError)) return message;
  const names = writtenNames(spec);
  return message.replaceAll(/`([\w.[\]]+)`/g, (whole, name: string) => flagOf(name.replaceAll(/\[\d*\]/g, ""), names) ?? whole);
}

/** A part that no flag sets by itself belongs to the whole: `dependsOn.on` to `dependsOn`. */
function flagOf(name: string, names: ReadonlyMap<string, string>): string | undefined {
  return names.get(name) ?? names.get(name.replace(/\.\w+$/, ""));
}

/** How each option of the API is written on the command line. */
export function writtenNames(spec: CommandSpec): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const { name, sets } of spec.arguments ?? []) if (sets !== undefined) names.set(sets, name);
  for (const { flags, sets } of optionsOf(spec)) {
    const flag = /--[\w-]+/.exec(flags)?.[0] ?? flags;
    names.set(sets ?? flag.slice(2).replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase()), flag);
  }
  return names;
}
