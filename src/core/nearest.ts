import { InvalidOptionError } from "./errors.ts";

/** The number of single-letter edits between two words (Levenshtein, one row at a time). */
function distance(a: string, b: string): number {
  const letters = Array.from(b);
  let row = letters.map((_, j) => j + 1);
  for (const [i, letter] of Array.from(a).entries()) {
    let left = i + 1;
    let diagonal = i;
    row = row.map((above, j) => {
      left = Math.min(diagonal + (letter === letters[j] ? 0 : 1), above + 1, left + 1);
      diagonal = above;
      return left;
    });
  }
  return row.at(-1) ?? a.length;
}

/** The known name that was probably meant: one that begins or ends with it (`queue` for `queueName`), else one with at most a third of its letters different. */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  const flat = name.toLowerCase().replaceAll(/[_-]/g, "").slice(0, 60);
  let best: { name: string; far: number } | undefined;
  for (const candidate of known) {
    const plain = candidate.toLowerCase().replaceAll(/[_-]/g, "");
    const part = flat.length >= 3 && (plain.startsWith(flat) || plain.endsWith(flat));
    const far = part ? 0.5 : distance(flat, plain);
    if (far <= Math.max(1, Math.floor(candidate.length / 3)) && (best === undefined || far < best.far)) best = { name: candidate, far };
  }
  return best?.name;
}

/** ` Did you mean x?` for an error message, or the list of what is known. */
export function didYouMean(name: string, known: readonly string[]): string {
  const near = nearest(name, known);
  return near === undefined ? ` Known are: ${known.join(", ")}.` : ` Did you mean \`${near}\`?`;
}

/**
 * Refuses an options object with a key that is not known: a typo must not become a silent default.
 * @throws InvalidOptionError `UNKNOWN_OPTION` with the nearest known name.
 */
export function refuseUnknown(options: object, known: readonly string[], of: string): void {
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) {
      throw new InvalidOptionError("UNKNOWN_OPTION", `Expected ${of} to have known options only, got \`${key}\`.${didYouMean(key, known)}`);
    }
  }
}
