/** `omniq completion`. */
import { EXIT } from "../command.ts";
import type { Run } from "../command.ts";
import { COMMANDS, GROUPS, optionsOf } from "../commands.ts";
import { completionOf, scriptOf, SHELLS } from "../completion.ts";

export const run: Run = async (given, terminal) => {
  const shell = SHELLS.find((each) => each === given.argument(0)) ?? "bash";
  const script = scriptOf(shell, completionOf(COMMANDS, GROUPS, optionsOf));
  if (given.flag("json")) terminal.json({ shell, script });
  else terminal.stdout.write(script);
  return Promise.resolve(EXIT.fine);
};
