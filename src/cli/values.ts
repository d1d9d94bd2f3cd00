/** What the value of an option may be, and how it is read from the text that was typed. */
import { InvalidArgumentError } from "commander";
import { milliseconds } from "../core/duration.ts";
import { nearest } from "../core/nearest.ts";
import type { OptionSpec } from "./command.ts";
import { readJson } from "./json.ts";

/** Reads the text of one value. @throws InvalidArgumentError that says what is wanted. */
type Reader = (text: string) => unknown;

/** How the values of an option are read; `undefined`: as they are. */
export function readerOf({ whole, kind, choices }: Pick<OptionSpec, "whole" | "kind" | "choices">): Reader | undefined {
  if (whole !== undefined) return (text) => wholeOf(text, whole);
  if (choices !== undefined) return (text) => choiceOf(text, choices);
  return kind === undefined ? undefined : READERS[kind];
}

function wholeOf(text: string, { min, max }: NonNullable<OptionSpec["whole"]>): number {
  const parsed = /^-?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (parsed >= min && parsed <= max) return parsed;
  throw new InvalidArgumentError(`Expected a whole number from ${min} to ${max}.`);
}

function choiceOf(text: string, choices: readonly string[]): string {
  if (choices.includes(text)) return text;
  const near = nearest(text, choices);
  throw new InvalidArgumentError(`Allowed choices are ${choices.join(", ")}.${near === undefined ? "" : ` (Did you mean ${near}?)`}`);
}

const READERS: Readonly<Record<NonNullable<OptionSpec["kind"]>, Reader>> = {
  duration(text) {
    try {
      return milliseconds(/^\d+$/.test(text) ? Number(text) : text, "");
    } catch {
      throw new InvalidArgumentError('Expected a duration: milliseconds, or text such as "5s" or "1h30m".');
    }
  },
  time(text) {
    const date = new Date(text);
    if (/^\d{4}-\d{2}-\d{2}(?:$|[T ])/.test(text) && !Number.isNaN(date.getTime())) return date;
    throw new InvalidArgumentError(
      'Expected a time such as "2026-12-31" or "2026-12-31T23:59:59Z" (without a zone: the time of this machine).',
    );
  },
  past(text) {
    if (!/^\d+(?:\.\d+)?[a-z]/.test(text)) return READERS.time(text);
    return new Date(Date.now() - Number(READERS.duration(text)));
  },
  json(text) {
    try {
      return readJson(text);
    } catch (error) {
      throw new InvalidArgumentError(`Expected JSON, got an error: ${error instanceof Error ? error.message : String(error)}.`);
    }
  },
};
