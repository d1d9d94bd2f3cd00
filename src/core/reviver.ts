/** The reading half of the codec: tags become what they stand for. They are a fixed list; nothing in the text is looked up, called or made a class of. */
import { describe, PayloadError } from "./errors.ts";
import { DEEPEST, fromPairs, TAG, TYPED } from "./tag.ts";

export function revive(value: unknown, depth: number): unknown {
  if (depth > DEEPEST * 2 + 2) throw unreadable("is nested too deeply");
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => revive(item, depth + 1));
  if (Object.hasOwn(value, TAG)) return untag(value, depth);
  return fromPairs(Object.entries(value).map(([key, item]) => [key, revive(item, depth + 1)]));
}

const NUMBERS: Readonly<Record<string, number>> = {
  "-0": -0,
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  "-Infinity": Number.NEGATIVE_INFINITY,
};

function untag(box: object, depth: number): unknown {
  const tag = own(box, TAG);
  const v = own(box, "v");
  switch (tag) {
    case "undefined":
      return undefined;
    case "number":
      if (typeof v === "string" && Object.hasOwn(NUMBERS, v)) return NUMBERS[v];
      break;
    case "bigint":
      if (typeof v === "string" && /^-?\d+$/.test(v)) return BigInt(v);
      break;
    case "date":
      if (v === null) return new Date(Number.NaN);
      if (typeof v === "string" && isTime(v)) return new Date(v);
      break;
    case "url":
      if (typeof v === "string" && URL.canParse(v)) return new URL(v);
      break;
    case "set":
      if (Array.isArray(v)) return new Set(v.map((item) => revive(item, depth + 1)));
      break;
    case "map":
      return new Map(pairsOf(v).map(([k, item]) => [revive(k, depth + 1), revive(item, depth + 1)]));
    case "object":
      return fromPairs(pairsOf(v).map(([k, item]) => [keyOf(k), revive(item, depth + 1)]));
    case "error":
      if (typeof v === "object" && v !== null) return reviveError(v, depth);
      break;
    case "bytes":
      return reviveBytes(own(box, "t"), v);
    default:
      break;
  }
  throw unreadable(`has an unknown or broken tag ${describe(tag)}`);
}

export function pairsOf(v: unknown): readonly (readonly [unknown, unknown])[] {
  if (!Array.isArray(v)) throw unreadable("has broken pairs");
  return v.map((pair: unknown) => {
    if (!Array.isArray(pair) || pair.length !== 2) throw unreadable("has broken pairs");
    return [pair[0], pair[1]] as const;
  });
}

export function keyOf(key: unknown): string {
  if (typeof key !== "string") throw unreadable("has broken pairs");
  return key;
}

/** As `toISOString` writes it, and nothing else that a `Date` can read. */
function isTime(text: string): boolean {
  const date = new Date(text);
  return !Number.isNaN(date.getTime()) && date.toISOString() === text;
}

/** Always a plain `Error` with text on it: a class named in the data is never looked up. */
function reviveError(v: object, depth: number): Error {
  const [name, message, cause] = [own(v, "name"), own(v, "message"), own(v, "cause")];
  if (typeof name !== "string" || typeof message !== "string") throw unreadable("has a broken error");
  const error = new Error(message, cause === undefined ? undefined : { cause: revive(cause, depth + 1) });
  const hidden = (key: string, value: unknown): void => {
    Object.defineProperty(error, key, { value, writable: true, configurable: true });
  };
  hidden("name", name);
  const stack = own(v, "stack");
  hidden("stack", typeof stack === "string" ? stack : undefined);
  const code = own(v, "code");
  if (code !== undefined) {
    Object.defineProperty(error, "code", { value: revive(code, depth + 1), enumerable: true, writable: true, configurable: true });
  }
  const parts = own(v, "errors");
  if (parts !== undefined) hidden("errors", revive(parts, depth + 1));
  return error;
}

/** Whole: what `Buffer.from` would pass over is not passed over. */
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

function reviveBytes(type: unknown, v: unknown): unknown {
  if (typeof v !== "string" || typeof type !== "string" || v.length % 4 !== 0 || !BASE64.test(v)) throw unreadable("has broken bytes");
  const bytes = Buffer.from(v, "base64");
  if (type === "Buffer") return bytes;
  const buffer = new ArrayBuffer(bytes.length);
  new Uint8Array(buffer).set(bytes);
  if (type === "ArrayBuffer") return buffer;
  const found = Object.entries(TYPED).find(([name]) => name === type);
  if (found === undefined || buffer.byteLength % found[1].BYTES_PER_ELEMENT !== 0) throw unreadable("has broken bytes");
  return new found[1](buffer);
}

export function own(value: object, key: string): unknown {
  return Object.getOwnPropertyDescriptor(value, key)?.value;
}

function unreadable(why: string): PayloadError {
  return new PayloadError("PAYLOAD_UNREADABLE", `Expected a stored payload to be one that OmniQ wrote, but it ${why}`);
}
