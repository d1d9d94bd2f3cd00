/** The text of a file, which is UTF-8, with or without a byte order mark. */
import { ConfigError } from "../core/errors.ts";

const REPLACED = "\uFFFD";

/** @throws ConfigError `CONFIG_SYNTAX` with the line of what is no UTF-8: replacing it would change a path or a name in silence. */
export function textOf(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    const before = new TextDecoder().decode(bytes).split(REPLACED)[0] ?? "";
    const line = before.split(/\r\n|\r|\n/).length;
    throw new ConfigError("CONFIG_SYNTAX", `Expected ${file} to be text in UTF-8, got something else (${file}:${line})`, { cause });
  }
}
