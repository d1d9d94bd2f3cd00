/** The configuration's values that stand in environment variables. */
import { ConfigError, describe } from "../core/errors.ts";
import { nearest } from "../core/nearest.ts";
import { originText, readSection, refuse, wrongValue } from "./check.ts";
import type { Complain, Leaves, Origin } from "./check.ts";
import { GATHERED, listOptions, OPTIONS, variablesOf } from "./options.ts";
import { withoutSecrets } from "./url.ts";

/** The variables of a process, as handed in. */
export type Env = Readonly<Record<string, string | undefined>>;

const PREFIX = "OMNIQ_";
/** For tests of OmniQ itself, and of its users: never read, never refused. */
const TESTS = "OMNIQ_TEST_";
/** Names the configuration's file, and is no option itself. */
export const FILE_VARIABLE = "OMNIQ_CONFIG";

/** Every variable, in the order of the table. */
function listVariables(): readonly string[] {
  return [...new Set(listOptions().flatMap((each) => variablesOf(each))), FILE_VARIABLE];
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
  const leaves = readGathered(env, { rank, complain, originOf });
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

function readGathered(env: Env, { rank, complain, originOf }: GatheredReading): Leaves {
  const { path, variable } = GATHERED;
  const text = env[variable]?.trim() ?? "";
  const origin = originOf(variable);
  const data = text === "" ? {} : text.startsWith("{") ? jsonOf(text) : pairsOf(text);
  if (data !== undefined) return readSection(OPTIONS.logging.components, data, path, { rank, where: () => origin, complain });
  const wanted = 'names with levels, such as "worker=debug,scheduler=warn", or JSON';
  complain(
    new ConfigError(
      "CONFIG_INVALID",
      `Expected \`${path}\` to be ${wanted}, got ${describe(withoutSecrets(text))} (${originText(origin)})`,
    ),
  );
  return new Map();
}

interface GatheredReading {
  readonly rank: number;
  readonly complain: Complain;
  readonly originOf: (name: string) => Origin;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** `a=b,c=d` as an object; `undefined` when it is something else. */
function pairsOf(text: string): unknown {
  const pairs = text.split(",").map((pair) => /^\s*(?<name>[\w-]+)\s*=\s*(?<value>\w+)\s*$/.exec(pair)?.groups);
  const names = new Set(pairs.map((pair) => pair?.["name"]));
  if (names.has(undefined) || names.size < pairs.length) return undefined;
  return Object.fromEntries(pairs.map((pair) => [pair?.["name"] ?? "", pair?.["value"]]));
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
