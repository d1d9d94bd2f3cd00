/** Text that nothing obeys: control characters are shown instead of sent. */

/** C0, DEL and C1, the line separators, and the marks that turn the direction of writing. */
// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const DANGEROUS = /[\u0000-\u001F\u007F-\u009F\u061C\u200E\u200F\u2028\u2029\u202A-\u202E\u2066-\u2069\uFEFF]/g;
const SHORT: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

function escaped(character: string): string {
  const code = character.charCodeAt(0);
  return SHORT[character] ?? (code < 256 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`);
}

/** One line of text with its control characters shown, as `\n` or `\x1b`: data must not steer a terminal. */
export function plain(text: string): string {
  return text.replace(DANGEROUS, escaped);
}

/** The same for text that is JSON already, which stays the same value. `JSON.stringify` leaves DEL, C1 and the direction marks as they are. */
export function plainJson(json: string): string {
  return json.replace(DANGEROUS, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
