import { expected, InvalidOptionError } from "../core/errors.ts";
import { isPlain } from "./fields.ts";

/**
 * What a task's handler gets: `args`, or `{ ...args, ...kwargs }` where `kwargs` is not empty.
 * @throws InvalidOptionError when there are `kwargs` and `args` is no plain object, or a key stands in both.
 */
export function handlerArguments(args: unknown, kwargs: Readonly<Record<string, unknown>> = {}): unknown {
  const keys = Object.keys(kwargs);
  if (keys.length === 0) return args;
  if (!isPlain(args)) throw expected("funcArgs", "a plain object where funcKwargs are given", args);
  const twice = keys.find((key) => Object.hasOwn(args, key));
  if (twice !== undefined) {
    throw new InvalidOptionError("INVALID_OPTION", `Expected \`${twice}\` to stand in funcArgs or in funcKwargs, got it in both`);
  }
  return { ...args, ...kwargs };
}
