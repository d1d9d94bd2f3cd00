/** The package.json of a project: made, or completed where it is there. */
import { existsSync, readFileSync } from "node:fs";
import { OmniQError } from "../../core/errors.ts";

const SCRIPTS = { dev: "omniq dev", worker: "omniq worker", enqueue: "node enqueue.ts" } as const;

type Json = Readonly<Record<string, unknown>>;

/**
 * The text of the file with what a project needs; nothing that stands there is changed.
 * @param dependency what `omniq` is installed from, where nobody else writes it.
 * @throws OmniQError `INIT_REFUSED` where it cannot be completed.
 */
export function manifestAt(file: string, name: string, dependency: string | undefined): string {
  const found = existsSync(file) ? read(file) : { name, private: true };
  if (found["type"] !== undefined && found["type"] !== "module")
    throw new OmniQError(
      "INIT_REFUSED",
      `Expected ${file} to say "type": "module", got ${JSON.stringify(found["type"])}: run npm pkg set type=module; nothing was written`,
    );
  const dependencies = objectOf(found["dependencies"]);
  const completed = {
    ...found,
    type: "module",
    scripts: { ...SCRIPTS, ...objectOf(found["scripts"]) },
    ...(dependency === undefined || "omniq" in dependencies ? {} : { dependencies: { ...dependencies, omniq: dependency } }),
  };
  return `${JSON.stringify(completed, undefined, 2)}\n`;
}

function read(file: string): Json {
  try {
    const parsed: unknown = JSON.parse(readFileSync(file, "utf8"));
    if (typeof parsed === "object" && parsed !== null && !Array.isArray(parsed)) return objectOf(parsed);
  } catch {
    // Said below.
  }
  throw new OmniQError("INIT_REFUSED", `Expected ${file} to hold a JSON object; nothing was written`);
}

function objectOf(value: unknown): Json {
  return typeof value === "object" && value !== null ? { ...value } : {};
}
