import type { CommandSpec } from "../command.ts";
import { SHELLS } from "../completion/completion.ts";

/** Completion in shells. */
export const completion: readonly CommandSpec[] = [
  {
    name: "completion",
    about: "print a script that completes commands, options and their choices in a shell",
    database: false,
    arguments: [{ name: "<shell>", about: "which", choices: SHELLS }],
    examples: [
      ["source <(omniq completion bash)", "for this shell; put it into ~/.bashrc to keep it"],
      ["source <(omniq completion zsh)", "the same in ~/.zshrc, behind compinit"],
      ["omniq completion fish > ~/.config/fish/completions/omniq.fish", "for every fish"],
    ],
    load: () => import("../commands/completion.ts"),
  },
];
