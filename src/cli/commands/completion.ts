/** `omniq completion`. */
import { EXIT } from "../command.ts";
import type { Run } from "../command.ts";
import { COMMANDS, GROUPS, optionsOf } from "../commands.ts";
import { bash } from "../completion/bash.ts";
import { completionOf, SHELLS } from "../completion/completion.ts";
import { fish } from "../completion/fish.ts";
import { zsh } from "../completion/zsh.ts";

const SCRIPTS = { bash, zsh, fish };

export const run: Run = async (given, terminal) => {
  const shell = SHELLS.find((each) => each === given.argument(0)) ?? "bash";
  const script = SCRIPTS[shell](completionOf(COMMANDS, GROUPS, optionsOf));
  if (given.flag("json")) terminal.json({ shell, script });
  else terminal.stdout.write(script);
  return Promise.resolve(EXIT.fine);
};
