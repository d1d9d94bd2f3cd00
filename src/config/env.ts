/** The configuration's values that stand in environment variables. */
import { ConfigError } from "../core/errors.ts";
import { nearest } from "../core/nearest.ts";
import { refuse, wrongValue } from "./check.ts";
import type { Complain, Leaves, Origin } from "./check.ts";
import { listOptions } from "./options.ts";

/** The variables of a process, as handed in. */
export type Env = Readonly<Record<string, string | undefined>>;

const PREFIX = "OMNIQ_";
/** For tests of OmniQ itself, and of its users: never read, never refused. */
const TESTS = "OMNIQ_TEST_";
/** Names the configuration's file, and is no option itself. */
export const FILE_VARIABLE = "OMNIQ_CONFIG";

/** Every variable, in the order of the table. */
function listVariables(): readonly string[] {
  return [...new Set(listOptions().flatMap(({ option }) => option.env)), FILE_VARIABLE];
}

/** How variables are read. */
interface Reading {
  /** The rank of a general variable; that of a particular one is higher. */
  readonly rank: number;
  /** The file that sets a variable, where that is not the process. */
  readonly fileOf?: ((name: string) => string | undefined) | undefined;
  readonly complain?: Complain;
}

/**
 * The values of all `OMNIQ_…` variables; an empty one counts as not set. Of two that set one option the more particular wins.
 * Complains with `CONFIG_INVALID`, naming the variable, of one that is unknown or has a wrong value.
 */
export function readEnv(env: Env, { rank, fileOf, complain = refuse }: Reading): Leaves {
  const originOf = (name: string): Origin => {
    const file = fileOf?.(name);
    return { from: "variable", name, ...(file === undefined ? {} : { file }) };
  };
  for (const name of unknownIn(env)) complain(unknown(name, originOf(name)));
  const leaves: Leaves = new Map();
  const wrong = new Set<string>();
  for (const { path, option } of listOptions()) {
    for (const [i, name] of option.env.entries()) {
      const text = env[name]?.trim();
      if (text === undefined || text === "" || wrong.has(name)) continue;
      const value: unknown = option.kind.read(option.kind.fromText(text));
      if (value !== undefined) leaves.set(path, { value, origin: originOf(name), rank: rank + i });
      else {
        complain(wrongValue(path, option, text, originOf(name)));
        wrong.add(name);
      }
    }
  }
  return leaves;
}

function unknownIn(env: Env): readonly string[] {
  const known = listVariables();
  return Object.keys(env).filter((name) => name.startsWith(PREFIX) && !name.startsWith(TESTS) && !known.includes(name));
}

function unknown(name: string, origin: Origin): ConfigError {
  const known = listVariables();
  const near = nearest(
    name.slice(PREFIX.length),
    known.map((each) => each.slice(PREFIX.length)),
  );
  const hint = near === undefined ? ` Known are: ${known.join(", ")}.` : ` Did you mean \`${PREFIX}${near}\`?`;
  const got = origin.from === "variable" && origin.file !== undefined ? `\`${name}\` in ${origin.file}` : `\`${name}\``;
  return new ConfigError("CONFIG_INVALID", `Expected variables that begin with ${PREFIX} to be known ones, got ${got}.${hint}`);
}
