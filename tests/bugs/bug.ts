/** A bug on purpose: one place of the code, and what stands there instead. */
export interface Bug {
  /** What goes wrong, in words. */
  readonly what: string;
  readonly file: string;
  /** Occurs once in the file. */
  readonly find: string;
  readonly replace: string;
  /** What has to fail beside the generated scripts; default: the tests of its room. */
  readonly tests?: readonly string[];
}
