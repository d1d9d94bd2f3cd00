import { InvalidOptionError } from "./errors.ts";

/** The number of single-letter edits between two words (Levenshtein, two rows). */
function distance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(swap, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
    previous = row;
  }
  return previous[b.length] ?? 0;
}

/** The known name that was probably meant, or `undefined` when none is near: at most a third of its letters may differ. */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  const flat = name.toLowerCase().replaceAll(/[_-]/g, "").slice(0, 60);
  let best: { name: string; far: number } | undefined;
  for (const candidate of known) {
    const far = distance(flat, candidate.toLowerCase().replaceAll(/[_-]/g, ""));
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
