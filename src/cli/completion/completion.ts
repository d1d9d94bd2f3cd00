/** Scripts that complete commands, options and their choices in a shell, made from the command table. */
import type { CommandSpec, OptionSpec } from "../command.ts";

export const SHELLS = ["bash", "zsh", "fish"] as const;

/** An option taken apart: `-q, --queue <name>`. */
export interface Flag {
  readonly short: string | undefined;
  readonly long: string;
  readonly about: string;
  /** What a value may be; empty: anything. Undefined: it takes none. */
  readonly values: readonly string[] | undefined;
  /** A value is a file or a folder. */
  readonly takesPath: boolean;
  readonly repeatable: boolean;
}
export interface Completed {
  readonly name: string;
  readonly about: string;
  readonly flags: readonly Flag[];
  /** What its first argument may be. */
  readonly words: readonly string[];
  readonly takesPath: boolean;
}
export interface Group {
  readonly name: string;
  readonly about: string;
}
/** What a script is made of. */
export interface Completion {
  readonly commands: readonly Completed[];
  readonly groups: readonly Group[];
}

const PATH = /^[<[](?:file|folder|dir|path)/;

/** @param optionsOf all that a command takes, also what it has in common with others. */
export function completionOf(
  commands: readonly CommandSpec[],
  groups: Readonly<Record<string, string>>,
  optionsOf: (spec: CommandSpec) => readonly OptionSpec[],
): Completion {
  return {
    commands: commands.map((spec) => ({
      name: spec.name,
      about: spec.about,
      flags: [...optionsOf(spec).map((option) => flagOf(option)), HELP],
      words: spec.arguments?.[0]?.choices ?? [],
      takesPath: spec.arguments?.some(({ name }) => PATH.test(name)) ?? false,
    })),
    groups: Object.entries(groups)
      .filter(([name]) => commands.some((spec) => spec.name.startsWith(`${name} `)))
      .map(([name, about]) => ({ name, about })),
  };
}

function flagOf({ flags, about, choices, repeatable }: OptionSpec): Flag {
  const [, short, long = "", value] = /^(?:(-\w), )?(--[\w-]+)(?: (.+))?$/.exec(flags) ?? [];
  return {
    short,
    long,
    about,
    values: value === undefined ? undefined : (choices ?? []),
    takesPath: value !== undefined && PATH.test(value),
    repeatable: repeatable ?? false,
  };
}

const HELP: Flag = { short: "-h", long: "--help", about: "print help", values: undefined, takesPath: false, repeatable: false };

/** The words that may come first, and those that may come behind a group. */
export function firstWords({ commands, groups }: Completion): readonly Group[] {
  return [...groups, ...commands.filter(({ name }) => !name.includes(" "))].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}
export function membersOf({ commands }: Completion, group: string): readonly Group[] {
  return commands.flatMap(({ name, about }) => (name.startsWith(`${group} `) ? [{ name: name.slice(group.length + 1), about }] : []));
}
export const namesOf = (words: readonly { readonly name: string }[]): string => words.map(({ name }) => name).join(" ");
export const spellings = ({ short, long }: Flag): readonly string[] => (short === undefined ? [long] : [short, long]);

/** Within single quotes. */
export const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;
