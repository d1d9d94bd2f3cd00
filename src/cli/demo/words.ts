/** The work itself: counting the words of a text. */

/** A word with how often it stands there. */
export type WordCount = readonly [word: string, count: number];

const WORD = /\p{L}[\p{L}\p{N}_'’-]*/gu;
/** Shorter words are counted, but never among the most frequent: "the" tells nothing of a text. */
const LEAST_LETTERS = 4;

/** Counts words piece by piece, so that a long text need not be counted in one go. */
export class WordCounter {
  #total = 0;
  readonly #counts = new Map<string, number>();

  /** Words written with capitals count as the same. The text must not end within a word. */
  add(text: string): void {
    for (const word of text.toLowerCase().match(WORD) ?? []) {
      this.#total++;
      this.#counts.set(word, (this.#counts.get(word) ?? 0) + 1);
    }
  }

  get total(): number {
    return this.#total;
  }

  /** The most frequent words of at least four letters; equally frequent ones in the order of the alphabet. */
  top(limit: number): readonly WordCount[] {
    return mostFrequent(
      [...this.#counts].filter(([word]) => word.length >= LEAST_LETTERS),
      limit,
    );
  }
}

/** The first of the words by their count. */
export function mostFrequent(counts: readonly WordCount[], limit: number): readonly WordCount[] {
  return counts.toSorted(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)).slice(0, limit);
}

/** The same words of many texts added up. */
export function sumOf(lists: readonly (readonly WordCount[])[]): readonly WordCount[] {
  const sums = new Map<string, number>();
  for (const [word, count] of lists.flat()) sums.set(word, (sums.get(word) ?? 0) + count);
  return [...sums];
}

/** A text in pieces of at least so many characters that end with a line. */
export function* piecesOf(text: string, length: number): Generator<string, undefined> {
  for (let from = 0; from < text.length;) {
    const end = text.indexOf("\n", from + length);
    const to = end === -1 ? text.length : end + 1;
    yield text.slice(from, to);
    from = to;
  }
}
