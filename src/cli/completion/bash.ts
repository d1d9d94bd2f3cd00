/** The script for bash. */
import { firstWords, membersOf, namesOf, spellings } from "./completion.ts";
import type { Completed, Completion } from "./completion.ts";

export function bash(completion: Completion): string {
  const { commands, groups } = completion;
  const values = commands.flatMap((command) => valuesOf(command));
  const own = commands.map(
    ({ name, flags, words, takesPath }) =>
      `    "${name}") words="${[...words, ...flags.map(({ long }) => long)].join(" ")}"${takesPath ? "; compopt -o default" : ""} ;;`,
  );
  return `# bash completion of omniq. Load it with: source <(omniq completion bash)
_omniq() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD - 1]}" command="" words="" known="" before="" i
  COMPREPLY=()
  case "$previous$current" in
    --*=) current="" ;;
    =*) previous="\${COMP_WORDS[COMP_CWORD - 2]}" ;;
  esac
  case "$current" in --*=*) previous="\${current%%=*}" before="\${current%%=*}=" current="\${current#*=}" ;; esac
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "\${COMP_WORDS[i]}" in -*|=) continue ;; esac
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
  [[ -n "$words" ]] && COMPREPLY=($(compgen -P "$before" -W "$words" -- "$current"))
  return 0
}
complete -F _omniq omniq
`;
}

/** What follows each option that takes a value. */
function valuesOf({ name, flags }: Completed): readonly string[] {
  return flags.flatMap((flag) => {
    if (flag.values === undefined) return [];
    const reply = flag.takesPath ? "compopt -o default" : flag.values.length === 0 ? ":" : `words="${flag.values.join(" ")}"`;
    const spelt = spellings(flag).map((each) => `"${name} ${each}"`);
    return [`    ${spelt.join("|")}) ${reply}; known=1 ;;`];
  });
}
