/** Which file holds the configuration when nobody names one. */
import { FILE_VARIABLE } from "./env.ts";
import type { Env } from "./env.ts";

/** The names that are looked for in the working directory, in this order. */
export const CONFIG_FILES = [
  ...["ts", "mts", "js", "mjs", "cjs"].map((ending) => `omniq.config.${ending}`),
  ...["yaml", "yml", "json"].map((ending) => `omniq.${ending}`),
];

/** The file that `OMNIQ_CONFIG` names, else the first that there is; `undefined`: none. */
export function findConfigFile(env: Env, exists: (path: string) => boolean): string | undefined {
  const named = env[FILE_VARIABLE]?.trim();
  return named === undefined || named === "" ? CONFIG_FILES.find((name) => exists(name)) : named;
}
