/**
 * Payloads as text. Plain data stays byte-identical to `JSON.stringify`, so that it reads well in the database and SQL can search it;
 * what JSON would change or drop is written as `{"$omniq": tag, "v": …}`. The form is told by the text itself. What cannot make
 * the round trip is refused with its path. Data never names code: the tags are a fixed list, and no class is looked up by name.
 */
import { Encoder, tooLarge } from "./encoder.ts";
import { PayloadError } from "./errors.ts";
import type { Text } from "./record.ts";
import { keyOf, own, pairsOf, revive } from "./reviver.ts";
import { fromPairs, TAG, tagged } from "./tag.ts";

/** Default limit of one payload, in bytes of UTF-8. */
export const PAYLOAD_LIMIT = 1_048_576;

export interface EncodeOptions {
  /** What the value is called in errors. Default `value`. */
  readonly name?: string;
  /** Bytes of UTF-8. Default 1 MiB. */
  readonly limit?: number;
}

/**
 * Encodes a value.
 * @throws PayloadError `PAYLOAD_REFUSED` with the path of what cannot be stored; `PAYLOAD_TOO_LARGE` over the limit.
 */
export function encode(value: unknown, options: EncodeOptions = {}): Text {
  const { name = "value", limit = PAYLOAD_LIMIT } = options;
  const text = written(new Encoder(name, limit).visit(value, undefined, 0), name);
  if (text.length > limit || (text.length * 3 > limit && new TextEncoder().encode(text).length > limit))
    throw tooLarge(name, limit, text.length);
  return text;
}

/** A text can be longer than there can be one: about 512 MiB. */
function written(value: unknown, name: string): Text {
  try {
    return JSON.stringify(value);
  } catch (cause) {
    throw new PayloadError("PAYLOAD_TOO_LARGE", `Expected ${name} to be short enough for one text, but it is not`, { cause });
  }
}

/**
 * Reads what `encode` wrote.
 * @throws PayloadError `PAYLOAD_UNREADABLE` when it is not such text.
 */
export function decode(text: Text): unknown {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new PayloadError("PAYLOAD_UNREADABLE", "Expected a stored payload to be JSON", { cause });
  }
  return formOf(text) === "json" ? parsed : revive(parsed, 0);
}

/** `json` when the text is what `JSON.stringify` makes, `tagged` when some of it is written as tags. */
export function formOf(text: Text): "json" | "tagged" {
  return text.includes(`"${TAG}"`) ? "tagged" : "json";
}

/**
 * The text of an object with more keys on it, which win over its own; another base counts as an empty object. Nothing is
 * decoded, so an object can be put around whatever one payload can hold. A base that is not JSON is answered as it is: whoever decodes it is told.
 */
export function withKeys(base: Text, keys: Readonly<Record<string, Text>>): Text {
  const added = Object.entries(keys).map(([key, text]) => [key, JSON.parse(text)] as const);
  try {
    const merged = new Map<string, unknown>([...rawPairs(JSON.parse(base)), ...added]);
    return JSON.stringify(merged.has(TAG) ? tagged("object", [...merged]) : fromPairs([...merged]));
  } catch {
    // Neither what is no JSON, nor what is nested so deeply that no JSON can be made of it.
    return base;
  }
}

function rawPairs(raw: unknown): readonly (readonly [string, unknown])[] {
  if (typeof raw !== "object" || raw === null || Array.isArray(raw)) return [];
  if (!Object.hasOwn(raw, TAG)) return Object.entries(raw);
  return own(raw, TAG) === "object" ? pairsOf(own(raw, "v")).map(([key, value]) => [keyOf(key), value]) : [];
}
