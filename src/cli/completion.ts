/** Scripts that complete commands, options and their choices in a shell, made from the command table. */
import type { CommandSpec, OptionSpec } from "./command.ts";

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

/** An option taken apart: `-q, --queue <name>`. */
interface Flag {
  readonly short: string | undefined;
  readonly long: string;
  readonly about: string;
  /** What a value may be; empty: anything. Undefined: it takes none. */
  readonly values: readonly string[] | undefined;
  /** A value is a file or a folder. */
  readonly takesPath: boolean;
  readonly repeatable: boolean;
}
interface Completed {
  readonly name: string;
  readonly about: string;
  readonly flags: readonly Flag[];
  /** What its first argument may be. */
  readonly words: readonly string[];
  readonly takesPath: boolean;
}
interface Group {
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

export function scriptOf(shell: Shell, completion: Completion): string {
  return SCRIPTS[shell](completion);
}

const SCRIPTS: Readonly<Record<Shell, (completion: Completion) => string>> = { bash, zsh, fish };

/** The words that may come first, and those that may come behind a group. */
function firstWords({ commands, groups }: Completion): readonly Group[] {
  return [...groups, ...commands.filter(({ name }) => !name.includes(" "))].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}
function membersOf({ commands }: Completion, group: string): readonly Group[] {
  return commands.flatMap(({ name, about }) => (name.startsWith(`${group} `) ? [{ name: name.slice(group.length + 1), about }] : []));
}
const namesOf = (words: readonly { readonly name: string }[]): string => words.map(({ name }) => name).join(" ");
const spellings = ({ short, long }: Flag): readonly string[] => (short === undefined ? [long] : [short, long]);

function bash(completion: Completion): string {
  const { commands, groups } = completion;
  const values = commands.flatMap(({ name, flags }) =>
    flags.flatMap((flag) => {
      if (flag.values === undefined) return [];
      const reply = flag.takesPath ? "compopt -o default" : flag.values.length === 0 ? ":" : `words="${flag.values.join(" ")}"`;
      return `    ${spellings(flag)
        .map((each) => `"${name} ${each}"`)
        .join("|")}) ${reply}; known=1 ;;`;
    }),
  );
  const own = commands.map(
    ({ name, flags, words, takesPath }) =>
      `    "${name}") words="${[...words, ...flags.map(({ long }) => long)].join(" ")}"${takesPath ? "; compopt -o default" : ""} ;;`,
  );
  return `# bash completion of omniq. Load it with: source <(omniq completion bash)
_omniq() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD - 1]}" command="" words="" known="" i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "\${COMP_WORDS[i]}" in -*) continue ;; esac
    case "$command" in
      "") command="\${COMP_WORDS[i]}" ;;
      ${groups.map(({ name }) => name).join("|")}) command="$command \${COMP_WORDS[i]}" ;;
    esac
  done
  case "$command $previous" in
${values.join("\n")}
  esac
  if [[ -z "$known" ]]; then
    case "$command" in
    "") words="${namesOf(firstWords(completion))} --help --version" ;;
${groups.map(({ name }) => `    "${name}") words="${namesOf(membersOf(completion, name))} --help" ;;`).join("\n")}
${own.join("\n")}
    esac
  fi
  [[ -n "$words" ]] && COMPREPLY=($(compgen -W "$words" -- "$current"))
  return 0
}
complete -F _omniq omniq
`;
}

/** Within single quotes. */
const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;
/** Within a description of zsh, brackets and colons mean something. */
const zshText = (text: string): string => text.replaceAll(/[[\]:\\]/g, String.raw`\$&`);

function zsh(completion: Completion): string {
  const { commands, groups } = completion;
  const described = (words: readonly Group[]): string => words.map(({ name, about }) => quoted(`${name}:${zshText(about)}`)).join(" ");
  const argumentsOf = ({ flags, words, takesPath }: Completed): string => {
    const specs = flags.flatMap((flag) => zshFlag(flag));
    const first = words.length > 0 ? `1: :(${words.join(" ")})` : takesPath ? "*:file:_files" : "*: :";
    return [...specs, quoted(first)].join(" \\\n        ");
  };
  const cases = commands.map((command) => `      ${quoted(command.name)})\n        _arguments -s \\\n        ${argumentsOf(command)} ;;`);
  return `#compdef omniq
# zsh completion of omniq. Load it with: source <(omniq completion zsh)
_omniq() {
  local command="\${words[2]}" group=""
  local -a choices
  case "$command" in
    ${groups.map(({ name }) => name).join("|")}) group="$command"; command="$command \${words[3]}" ;;
  esac
  if ((CURRENT == 2)); then
    choices=(${described(firstWords(completion))})
    _describe command choices
  elif ((CURRENT == 3)) && [[ -n "$group" ]]; then
    case "$group" in
${groups.map(({ name }) => `      ${name}) choices=(${described(membersOf(completion, name))}) ;;`).join("\n")}
    esac
    _describe command choices
  else
    if [[ -n "$group" ]]; then shift 2 words; ((CURRENT -= 2)); else shift words; ((CURRENT -= 1)); fi
    case "$command" in
${cases.join("\n")}
    esac
  fi
}
compdef _omniq omniq
`;
}

function zshFlag(flag: Flag): readonly string[] {
  const value =
    flag.values === undefined
      ? ""
      : flag.takesPath
        ? ":path:_files"
        : flag.values.length === 0
          ? ":value: "
          : `:value:(${flag.values.join(" ")})`;
  return spellings(flag).map((each) => quoted(`${flag.repeatable ? "*" : ""}${each}[${zshText(flag.about)}]${value}`));
}

function fish(completion: Completion): string {
  const { commands, groups } = completion;
  const none = `not __fish_seen_subcommand_from ${namesOf(firstWords(completion))}`;
  const lineOf = (condition: string, rest: string): string => `complete -c omniq -n ${quoted(condition)} ${rest}`;
  const within = (name: string): string => {
    const [first = "", second] = name.split(" ");
    return `__fish_seen_subcommand_from ${first}${second === undefined ? "" : `; and __fish_seen_subcommand_from ${second}`}`;
  };
  const lines = [
    "# fish completion of omniq. Load it with: omniq completion fish | source",
    "complete -c omniq -f",
    ...firstWords(completion).map(({ name, about }) => lineOf(none, `-a ${name} -d ${quoted(about)}`)),
    ...groups.flatMap(({ name: group }) => {
      const members = membersOf(completion, group);
      const open = `__fish_seen_subcommand_from ${group}; and not __fish_seen_subcommand_from ${namesOf(members)}`;
      return members.map(({ name, about }) => lineOf(open, `-a ${name} -d ${quoted(about)}`));
    }),
    ...commands.flatMap(({ name, flags, words, takesPath }) => [
      ...(words.length === 0 ? [] : [lineOf(within(name), `-a ${quoted(words.join(" "))}`)]),
      ...(takesPath ? [lineOf(within(name), "-F")] : []),
      ...flags.map((flag) => lineOf(within(name), fishFlag(flag))),
    ]),
  ];
  return `${lines.join("\n")}\n`;
}

function fishFlag({ short, long, about, values, takesPath }: Flag): string {
  const value = values === undefined ? "" : takesPath ? " -r -F" : values.length === 0 ? " -x" : ` -x -a ${quoted(values.join(" "))}`;
  return `${short === undefined ? "" : `-s ${short.slice(1)} `}-l ${long.slice(2)}${value} -d ${quoted(about)}`;
}
