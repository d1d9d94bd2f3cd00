/**
 * Models as JSON, lossless both ways. Times are ISO 8601, durations milliseconds, absent fields are left out. A payload (arguments,
 * result, data) stands as it is where JSON keeps it, else in the codec's tagged form (`{"$omniq": "date", "v": …}`), which is read back.
 */
import { decode, encode, formOf } from "../core/codec.ts";
import { expected, InvalidOptionError, PayloadError } from "../core/errors.ts";
import { didYouMean } from "../core/nearest.ts";
import { isPlain } from "./fields.ts";

/** How a field stands in JSON. `any`: a payload in which also `null` and `undefined` are values of their own. */
type Kind = "plain" | "time" | "payload" | "any";

/** Every field of a model with its kind. */
export type Shape<K extends string = string> = Readonly<Record<K, Kind>>;

/** `null` as the payload of a field in which a bare `null` would read as absent. */
const NULL = { $omniq: "null" } as const;

/** The fields that are present, as plain JSON. */
export function toJson<K extends string>(model: { readonly [P in NoInfer<K>]?: unknown }, shape: Shape<K>): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const key of keysOf(shape)) {
    const value = model[key];
    const kind = shape[key];
    if (kind === "any") out[key] = value === null ? NULL : payloadToJson(value, key);
    else if (value === undefined) continue;
    else if (value instanceof Date) out[key] = value.toISOString();
    else out[key] = kind === "payload" || typeof value === "object" ? payloadToJson(value, key) : value;
  }
  return out;
}

/** The names of a model's fields. */
export function keysOf<K extends string>(shape: Shape<K>): readonly K[] {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the shapes are literals of this package, without other keys
  return Object.keys(shape) as K[];
}

/** What a model's constructor takes; `tagged` are the payloads that stood in the tagged form, and are exactly what was written. */
export interface FromJson<K extends string, Init> {
  readonly init: Init;
  readonly tagged: ReadonlySet<K>;
}

/**
 * Reads JSON into what a model's constructor takes: camelCase or snake_case keys, times as ISO 8601 or `Date`, `null` for absent.
 * The values themselves are checked by the constructor.
 * @throws InvalidOptionError for an unknown key, with the nearest known one, and for text that is no time.
 */
export function fromJson<K extends string, Init>(data: unknown, shape: Shape<K>, of: string): FromJson<K, Init> {
  if (!isPlain(data)) throw expected(of, "an object", data);
  const init: Partial<Record<K, unknown>> = {};
  const tagged = new Set<K>();
  for (const [given, value] of Object.entries(data)) {
    const key = known(given, shape, of);
    const kind = shape[key];
    if (Object.hasOwn(init, key)) throw new InvalidOptionError("INVALID_OPTION", `Expected ${of} to have \`${key}\` once, got it twice`);
    if (kind === "time" && typeof value === "string") init[key] = parseTime(value, key);
    else if ((kind === "payload" || kind === "any") && isTagged(value)) {
      init[key] = untag(value);
      tagged.add(key);
    } else init[key] = value;
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- every value is checked by the constructor that takes it
  return { init: init as Init, tagged };
}

/** The model's key that was meant by a key in camelCase or in snake_case. */
function known<K extends string>(given: string, shape: Shape<K>, of: string): K {
  const camel = given.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  const keys = keysOf(shape);
  const key = keys.find((each) => each === camel);
  if (key === undefined) {
    throw new InvalidOptionError("UNKNOWN_OPTION", `Expected ${of} to have known fields only, got \`${given}\`.${didYouMean(given, keys)}`);
  }
  return key;
}

/** Years that are not of four digits as `toISOString` writes them. */
const ISO = /^(?:\d{4}|[+-]\d{6})-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?<zone>Z|[+-]\d{2}:?\d{2})?)?$/;

/** A time in ISO 8601; without a zone it is UTC, as the data files have it. */
function parseTime(value: string, name: string): Date {
  const match = ISO.exec(value);
  const zoned = match?.groups?.["zone"] !== undefined || !value.includes(":");
  const time = new Date(zoned ? value : `${value}Z`);
  if (match === null || Number.isNaN(time.getTime())) throw expected(name, "a time in ISO 8601", value);
  return time;
}

function payloadToJson(value: unknown, name: string): unknown {
  return JSON.parse(encode(value, { name, limit: Number.POSITIVE_INFINITY }));
}

/** Whether tags stand in it. Data without them is kept as it is, also where it holds what JSON does not know. */
function isTagged(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  try {
    return formOf(JSON.stringify(value)) === "tagged";
  } catch {
    return false;
  }
}

function untag(value: unknown): unknown {
  return isPlain(value) && value["$omniq"] === NULL.$omniq ? null : decode(JSON.stringify(value));
}

/** UTF-8 bytes of a model's JSON. */
export function toBytes(json: Record<string, unknown>): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(json));
}

/** @throws PayloadError `PAYLOAD_UNREADABLE` when the bytes are not JSON in UTF-8. */
export function fromBytes(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new PayloadError("PAYLOAD_UNREADABLE", "Expected serialised bytes to be JSON in UTF-8", { cause });
  }
}
