/** Which file holds the configuration when nobody names one. */
import { ConfigError } from "../core/errors.ts";
import { refuse } from "./check.ts";
import type { Complain } from "./check.ts";
import { FILE_VARIABLE } from "./env.ts";
import type { Env } from "./env.ts";

/** The names that are looked for in the working directory. */
export const CONFIG_FILES = [
  ...["ts", "mts", "js", "mjs", "cjs"].map((ending) => `omniq.config.${ending}`),
  ...["yaml", "yml", "json"].map((ending) => `omniq.${ending}`),
];

/**
 * The file that `OMNIQ_CONFIG` names, else the one that there is; `undefined`: none. Complains with `CONFIG_AMBIGUOUS` of several: whichever
 * was taken, somebody would edit another, and tasks would lie in a database that nobody looks into. The first counts then.
 */
export function findConfigFile(env: Env, exists: (path: string) => boolean, complain: Complain = refuse): string | undefined {
  const named = env[FILE_VARIABLE]?.trim() ?? "";
  if (named !== "") return named;
  const found = CONFIG_FILES.filter((name) => exists(name));
  if (found.length > 1) {
    const names = `${found.slice(0, -1).join(", ")} and ${found.at(-1)}`;
    const remedy = `remove all but one, or name the one that counts (${FILE_VARIABLE}, --config)`;
    complain(new ConfigError("CONFIG_AMBIGUOUS", `Expected one configuration file in the working directory, got ${names}: ${remedy}`));
  }
  return found[0];
}
