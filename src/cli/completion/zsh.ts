/** The script for zsh. */
import { firstWords, membersOf, quoted, spellings } from "./completion.ts";
import type { Completed, Completion, Flag, Group } from "./completion.ts";

/** Within a description of zsh, brackets and colons mean something. */
const zshText = (text: string): string => text.replaceAll(/[[\]:\\]/g, String.raw`\$&`);

export function zsh(completion: Completion): string {
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
  // A value may stand behind an equals sign, too.
  const spelt = spellings(flag).map((each) => (value !== "" && each.startsWith("--") ? `${each}=` : each));
  return spelt.map((each) => quoted(`${flag.repeatable ? "*" : ""}${each}[${zshText(flag.about)}]${value}`));
}
