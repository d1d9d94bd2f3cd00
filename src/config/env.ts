/** The configuration's values that stand in environment variables. */
import { ConfigError } from "../core/errors.ts";
import { nearest } from "../core/nearest.ts";
import { wrongValue } from "./check.ts";
import type { Leaves } from "./check.ts";
import { listOptions } from "./options.ts";

/** The variables of a process, as handed in. */
export type Env = Readonly<Record<string, string | undefined>>;

const PREFIX = "OMNIQ_";
/** For tests of OmniQ itself, and of its users: never read, never refused. */
const TESTS = "OMNIQ_TEST_";

/** Every variable, in the order of the table. */
function listVariables(): readonly string[] {
  return [...new Set(listOptions().flatMap(({ option }) => option.env))];
}

/**
 * The values of all `OMNIQ_…` variables; an empty one counts as not set. Of two that set one option the more particular wins.
 * @param rank the rank of a general variable; that of a particular one is higher.
 * @throws ConfigError `CONFIG_INVALID` naming the variable that is unknown or has a wrong value.
 */
export function readEnv(env: Env, rank: number): Leaves {
  refuseUnknown(env);
  const leaves: Leaves = new Map();
  for (const { path, option } of listOptions()) {
    for (const [i, name] of option.env.entries()) {
      const text = env[name]?.trim();
      if (text === undefined || text === "") continue;
      const value: unknown = option.kind.read(option.kind.fromText(text));
      if (value === undefined) throw wrongValue(path, option, text, { from: "variable", name });
      leaves.set(path, { value, origin: { from: "variable", name }, rank: rank + i });
    }
  }
  return leaves;
}

function refuseUnknown(env: Env): void {
  const known = listVariables();
  for (const name of Object.keys(env)) {
    if (!name.startsWith(PREFIX) || name.startsWith(TESTS) || known.includes(name)) continue;
    const near = nearest(
      name.slice(PREFIX.length),
      known.map((each) => each.slice(PREFIX.length)),
    );
    const hint = near === undefined ? ` Known are: ${known.join(", ")}.` : ` Did you mean \`${PREFIX}${near}\`?`;
    throw new ConfigError("CONFIG_INVALID", `Expected variables that begin with ${PREFIX} to be known ones, got \`${name}\`.${hint}`);
  }
}
