/** Errors of the user's own modules, in a sentence with the place in the user's own file. */
import { relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { withoutSecrets } from "../config/url.ts";
import { ModuleError, OmniQError } from "../core/errors.ts";
import { OWN_ROOT } from "./own-package.ts";

/** The error in a sentence, with the line of the user's own file. */
export function saying(error: unknown): string {
  if (!(error instanceof Error)) return `${typeof error === "string" ? error : "something that is no Error"} thrown`;
  const where = placeOf(error.stack ?? "");
  return `${named(error)}${where === undefined ? "" : ` at ${where}`}`;
}

/** What nobody caught: the user's own where its place is in a file of theirs, else as it is. */
export function uncaught(error: Error, origin: NodeJS.UncaughtExceptionOrigin): Error {
  const where = placeOf(error.stack ?? "");
  if (where === undefined) return error;
  const how = origin === "unhandledRejection" ? "in a promise that nobody waits for" : "that nobody catches";
  return new ModuleError("MODULE_UNCAUGHT", `Expected ${where} to handle its error, got ${named(error)}, ${how}`, { cause: error });
}

function named(error: Error): string {
  return `${error.name}: ${withoutSecrets(error.message)}${error instanceof OmniQError ? ` (${error.code})` : ""}`;
}

/** The first place of a stack in a file that is neither a dependency's nor ours, from the working directory if it is short so. */
function placeOf(stack: string): string | undefined {
  for (const [, url = "", path = "", at = ""] of stack.matchAll(/(?:(file:\/\/[^\s():]*)|(?<!\w)(\/[^\s():]+)):(\d+(?::\d+)?)/g)) {
    const file = url === "" ? path : fileURLToPath(url);
    if (file.includes("/node_modules/") || OURS.some((folder) => file.startsWith(folder))) continue;
    const near = relative(process.cwd(), file);
    return `${near.startsWith("..") ? file : near}:${at}`;
  }
  return undefined;
}

const OURS = ["src", "dist"].map((name) => `${OWN_ROOT}${sep}${name}${sep}`);
