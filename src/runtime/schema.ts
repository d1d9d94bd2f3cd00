/** Checking a value against a Standard Schema, without waiting where the schema does not wait. */
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { InputInvalidError } from "../core/errors.ts";

/**
 * The schema's output for a value: at once from a synchronous schema, else as a promise.
 * @param what what the value is called in the error, such as `the arguments of "resize"`.
 * @throws InputInvalidError with every issue and its path (also as a rejection).
 */
export function parseWith(schema: StandardSchemaV1, value: unknown, what: string): unknown {
  const result = schema["~standard"].validate(value);
  // A promise of any make, not only one of this realm's own.
  return "then" in result ? Promise.resolve(result).then((late) => valueOf(late, what)) : valueOf(result, what);
}

function valueOf(result: StandardSchemaV1.Result<unknown>, what: string): unknown {
  if (result.issues === undefined) return result.value;
  const issues = result.issues.slice(0, 5).map((issue) => `${pathOf(issue)}${issue.message}`);
  const more = result.issues.length > 5 ? ` (and ${result.issues.length - 5} more)` : "";
  throw new InputInvalidError(`Expected ${what} to satisfy its schema, got ${issues.join("; ")}${more}`, { cause: result.issues });
}

function pathOf(issue: StandardSchemaV1.Issue): string {
  const path = (issue.path ?? []).map((step) => String(typeof step === "object" ? step.key : step)).join(".");
  return path === "" ? "" : `${path}: `;
}
