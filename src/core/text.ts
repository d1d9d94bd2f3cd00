/** Which text can be stored and found again. SQLite ends text at NUL, and every half of a surrogate pair becomes the same replacement. */

/** Whether text comes back from a store unchanged: no NUL, no half of a surrogate pair. */
export function isStorable(value: string): boolean {
  return !/\0|\p{Surrogate}/u.test(value);
}

/** What of a text can be stored: each NUL and each half of a pair becomes U+FFFD. For what nobody chose, such as the message of an error. */
export function storable(value: string): string {
  return value.replaceAll(/\0|\p{Surrogate}/gu, "\uFFFD");
}

/** Whether text can be a name or an id: storable, and without control characters. */
export function isClean(value: string): boolean {
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  return !/[\u0000-\u001F\u007F]|\p{Surrogate}/u.test(value);
}
