/** The script for fish. */
import { firstWords, membersOf, namesOf, quoted } from "./completion.ts";
import type { Completed, Completion, Flag } from "./completion.ts";

export function fish(completion: Completion): string {
  const { commands, groups } = completion;
  const none = `not __fish_seen_subcommand_from ${namesOf(firstWords(completion))}`;
  const lines = [
    "# fish completion of omniq. Load it with: omniq completion fish | source",
    "complete -c omniq -f",
    ...firstWords(completion).map(({ name, about }) => lineOf(none, `-a ${name} -d ${quoted(about)}`)),
    ...groups.flatMap(({ name: group }) => {
      const members = membersOf(completion, group);
      const open = `__fish_seen_subcommand_from ${group}; and not __fish_seen_subcommand_from ${namesOf(members)}`;
      return members.map(({ name, about }) => lineOf(open, `-a ${name} -d ${quoted(about)}`));
    }),
    ...commands.flatMap((command) => commandLines(command)),
  ];
  return `${lines.join("\n")}\n`;
}

function fishFlag({ short, long, about, values, takesPath }: Flag): string {
  const value = values === undefined ? "" : takesPath ? " -r -F" : values.length === 0 ? " -x" : ` -x -a ${quoted(values.join(" "))}`;
  return `${short === undefined ? "" : `-s ${short.slice(1)} `}-l ${long.slice(2)}${value} -d ${quoted(about)}`;
}

function commandLines({ name, flags, words, takesPath }: Completed): readonly string[] {
  const [first = "", second] = name.split(" ");
  const within = `__fish_seen_subcommand_from ${first}${second === undefined ? "" : `; and __fish_seen_subcommand_from ${second}`}`;
  const lines = flags.map((flag) => lineOf(within, fishFlag(flag)));
  if (words.length > 0) lines.unshift(lineOf(within, `-a ${quoted(words.join(" "))}`));
  if (takesPath) lines.unshift(lineOf(within, "-F"));
  return lines;
}

function lineOf(condition: string, rest: string): string {
  return `complete -c omniq -n ${quoted(condition)} ${rest}`;
}
