/**
 * Payloads as text. Plain data stays byte-identical to `JSON.stringify`, so that it reads well in the database and SQL can search it;
 * what JSON would change or drop is written as `{"$omniq": tag, "v": …}`. The form is told by the text itself. What cannot make
 * the round trip is refused with its path. Data never names code: the tags are a fixed list, and no class is looked up by name.
 */
import { PayloadError } from "./errors.ts";
import type { Text } from "./record.ts";

const TAG = "$omniq";
/** `JSON.stringify` and `structuredClone` overflow the stack from depth 5,000; nobody writes 200 by hand. */
const DEEPEST = 200;
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
  const text = JSON.stringify(new Encoder(name).visit(value, undefined, 0));
  if (text.length > limit || (text.length * 3 > limit && new TextEncoder().encode(text).length > limit)) {
    throw new PayloadError("PAYLOAD_TOO_LARGE", `Expected ${name} to be at most ${limit} bytes, got ${text.length} or more`);
  }
  return text;
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
  let pairs: readonly (readonly [string, unknown])[];
  try {
    pairs = rawPairs(JSON.parse(base));
  } catch {
    return base;
  }
  const merged = new Map<string, unknown>([...pairs, ...Object.entries(keys).map(([key, text]) => [key, JSON.parse(text)] as const)]);
  return JSON.stringify(merged.has(TAG) ? tagged("object", [...merged]) : fromPairs([...merged]));
}

function rawPairs(raw: unknown): readonly (readonly [string, unknown])[] {
  if (typeof raw !== "object" || raw === null || Array.isArray(raw)) return [];
  if (!Object.hasOwn(raw, TAG)) return Object.entries(raw);
  return own(raw, TAG) === "object" ? pairsOf(own(raw, "v")).map(([key, value]) => [String(key), value]) : [];
}

type Key = string | number;
/** The way from the root to a value, as a linked list: built without cost, spelled out only in an error. */
interface Path {
  readonly key: Key;
  readonly parent: Path | undefined;
}

const TYPED = {
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
} as const;

/** What JSON keeps as it is: most of what there is, told without a call, a path or a copy. */
function isSimple(value: unknown): boolean {
  return typeof value === "string" || typeof value === "boolean" || (typeof value === "number" && Number.isFinite(value) && value !== 0);
}

class Encoder {
  readonly #name: string;
  /** The objects that are being visited, outermost first. */
  readonly #open: object[] = [];

  constructor(name: string) {
    this.#name = name;
  }

  /** Returns the value itself where JSON keeps it as it is, else its tagged form. */
  visit(value: unknown, path: Path | undefined, depth: number): unknown {
    switch (typeof value) {
      case "string":
      case "boolean":
        return value;
      case "number":
        return Number.isFinite(value) && !Object.is(value, -0) ? value : tagged("number", Object.is(value, -0) ? "-0" : String(value));
      case "undefined":
        return tagged("undefined");
      case "bigint":
        return tagged("bigint", value.toString());
      case "object":
        return value === null ? null : this.#object(value, path, depth);
      default:
        throw this.#refuse(`a ${typeof value}`, path);
    }
  }

  #object(value: object, path: Path | undefined, depth: number): unknown {
    if (depth > DEEPEST) throw this.#refuse(`anything deeper than ${DEEPEST} levels`, path);
    if (this.#open.includes(value)) throw this.#refuse("a circular reference", path);
    this.#open.push(value);
    try {
      if (Array.isArray(value)) return this.#array(value, path, depth);
      const proto: unknown = Object.getPrototypeOf(value);
      if (proto === Object.prototype || proto === null) return this.#plain(value, path, depth);
      return this.#special(value, path, depth);
    } finally {
      this.#open.pop();
    }
  }

  #array(value: readonly unknown[], path: Path | undefined, depth: number): unknown {
    if (Object.getPrototypeOf(value) !== Array.prototype) throw this.#refuse("an instance of a class of arrays", path);
    if (Object.getOwnPropertySymbols(value).length > 0) throw this.#refuse("an array with named properties", path);
    let copy: unknown[] | undefined;
    for (let i = 0; i < value.length; i++) {
      if (!Object.hasOwn(value, i)) throw this.#refuse("a hole in an array", { key: i, parent: path });
      const before = value[i];
      const after = isSimple(before) ? before : this.visit(before, { key: i, parent: path }, depth + 1);
      if (copy !== undefined) copy.push(after);
      else if (after !== before) copy = [...value.slice(0, i), after];
    }
    if (Object.keys(value).length !== value.length) throw this.#refuse("an array with named properties", path);
    return copy ?? ("toJSON" in value ? [...value] : value);
  }

  #plain(value: object, path: Path | undefined, depth: number): unknown {
    if (Object.getOwnPropertySymbols(value).length > 0) throw this.#refuse("a symbol as a key", path);
    const keys = Object.keys(value);
    const values: unknown[] = [];
    // A hidden toJSON would write something else.
    let changed = "toJSON" in value;
    for (const key of keys) {
      const before = this.#read(value, key, path);
      const after = isSimple(before) ? before : this.visit(before, { key, parent: path }, depth + 1);
      changed ||= after !== before || Object.getOwnPropertyDescriptor(value, key)?.get !== undefined;
      values.push(after);
    }
    const isTag = Object.hasOwn(value, TAG);
    if (!changed && !isTag) return value;
    const pairs = keys.map((key, i) => [key, values[i]] as const);
    // Data that looks like a tag is written as pairs, so that it cannot be taken for one.
    return isTag ? tagged("object", pairs) : fromPairs(pairs);
  }

  #read(value: object, key: string, parent: Path | undefined): unknown {
    try {
      return Reflect.get(value, key);
    } catch (cause) {
      throw this.#refuse("a property that throws when it is read", { key, parent }, cause);
    }
  }

  #special(value: object, path: Path | undefined, depth: number): unknown {
    const inner = (item: unknown, key: Key): unknown => this.visit(item, { key, parent: path }, depth + 1);
    // oxlint-disable-next-line omniq/no-ambient -- the class is compared with, the clock is not read
    if (isExactly(value, Date)) return tagged("date", Number.isNaN(value.getTime()) ? null : value.toISOString());
    if (isExactly(value, Map)) {
      return tagged(
        "map",
        [...value].map(([k, v], i) => [inner(k, i), inner(v, i)]),
      );
    }
    if (isExactly(value, Set)) {
      return tagged(
        "set",
        [...value].map((v, i) => inner(v, i)),
      );
    }
    if (isExactly(value, URL)) return tagged("url", value.href);
    if (value instanceof Error) return tagged("error", this.#error(value, inner, path));
    if (isExactly(value, ArrayBuffer)) return tagged("bytes", toBase64(new Uint8Array(value)), "ArrayBuffer");
    const typed = typedName(value);
    if (typed !== undefined && ArrayBuffer.isView(value)) {
      return tagged("bytes", toBase64(new Uint8Array(value.buffer, value.byteOffset, value.byteLength)), typed);
    }
    const name: unknown = value.constructor?.name;
    throw this.#refuse(`an instance of ${typeof name === "string" && name !== "" ? name : "a class"} (pass plain data instead)`, path);
  }

  /** An error is text, a code, its cause and its parts; its class comes back as `Error` with the name. More on it would be lost. */
  #error(error: Error, inner: (item: unknown, key: Key) => unknown, path: Path | undefined): Record<string, unknown> {
    const extra = Object.keys(error).find((key) => !ERROR_KEYS.has(key));
    if (extra !== undefined) throw this.#refuse("an error with properties of its own", { key: extra, parent: path });
    const out: Record<string, unknown> = { name: String(error.name), message: String(error.message) };
    if (typeof error.stack === "string") out["stack"] = error.stack;
    if ("code" in error && (typeof error.code === "string" || typeof error.code === "number")) out["code"] = error.code;
    if ("errors" in error && Array.isArray(error.errors)) out["errors"] = inner(error.errors, "errors");
    if (error.cause !== undefined) out["cause"] = inner(error.cause, "cause");
    return out;
  }

  #refuse(what: string, path: Path | undefined, cause?: unknown): PayloadError {
    let where = "";
    for (let step = path; step !== undefined; step = step.parent) {
      where =
        (typeof step.key === "number"
          ? `[${step.key}]`
          : /^[A-Za-z_$][\w$]*$/.test(step.key)
            ? `.${step.key}`
            : `[${JSON.stringify(step.key)}]`) + where;
    }
    return new PayloadError("PAYLOAD_REFUSED", `Cannot store ${what} at ${this.#name}${where}`, { cause });
  }
}

const ERROR_KEYS = new Set(["name", "message", "stack", "code", "cause", "errors"]);

/** Of this very class, with nothing more on it: a subclass or an extra property would not come back. */
function isExactly<T extends object>(value: object, type: new (...args: never[]) => T): value is T {
  return Object.getPrototypeOf(value) === type.prototype && Object.keys(value).length === 0;
}

function tagged(tag: string, v?: unknown, t?: string): Record<string, unknown> {
  return { [TAG]: tag, ...(t === undefined ? {} : { t }), ...(v === undefined ? {} : { v }) };
}

/** Own properties only, also for `__proto__`: assigning that one would set the prototype. */
function fromPairs(pairs: readonly (readonly [string, unknown])[]): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const [key, value] of pairs) Object.defineProperty(out, key, { value, enumerable: true, writable: true, configurable: true });
  return out;
}

function typedName(value: object): string | undefined {
  if (Buffer.isBuffer(value)) return "Buffer";
  for (const [name, type] of Object.entries(TYPED)) if (Object.getPrototypeOf(value) === type.prototype) return name;
  return undefined;
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}

function revive(value: unknown, depth: number): unknown {
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
      if (v === null || typeof v === "string") return new Date(v ?? Number.NaN);
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
      return fromPairs(pairsOf(v).map(([k, item]) => [String(k), revive(item, depth + 1)]));
    case "error":
      if (typeof v === "object" && v !== null) return reviveError(v, depth);
      break;
    case "bytes":
      return reviveBytes(own(box, "t"), v);
    default:
      break;
  }
  throw unreadable(`has an unknown or broken tag ${JSON.stringify(tag)}`);
}

function pairsOf(v: unknown): readonly (readonly [unknown, unknown])[] {
  if (!Array.isArray(v)) throw unreadable("has broken pairs");
  return v.map((pair: unknown) => {
    if (!Array.isArray(pair) || pair.length !== 2) throw unreadable("has broken pairs");
    return [pair[0], pair[1]] as const;
  });
}

/** Always a plain `Error` with text on it: a class named in the data is never looked up. */
function reviveError(v: object, depth: number): Error {
  const cause = own(v, "cause");
  const error = new Error(String(own(v, "message")), cause === undefined ? undefined : { cause: revive(cause, depth + 1) });
  const hidden = (key: string, value: unknown): void => {
    Object.defineProperty(error, key, { value, writable: true, configurable: true });
  };
  hidden("name", String(own(v, "name")));
  const stack = own(v, "stack");
  hidden("stack", typeof stack === "string" ? stack : undefined);
  const code = own(v, "code");
  if (typeof code === "string" || typeof code === "number") {
    Object.defineProperty(error, "code", { value: code, enumerable: true, writable: true, configurable: true });
  }
  const parts = own(v, "errors");
  if (parts !== undefined) hidden("errors", revive(parts, depth + 1));
  return error;
}

function reviveBytes(type: unknown, v: unknown): unknown {
  if (typeof v !== "string" || typeof type !== "string") throw unreadable("has broken bytes");
  const bytes = Buffer.from(v, "base64");
  if (type === "Buffer") return bytes;
  const buffer = new ArrayBuffer(bytes.length);
  new Uint8Array(buffer).set(bytes);
  if (type === "ArrayBuffer") return buffer;
  const found = Object.entries(TYPED).find(([name]) => name === type);
  if (found === undefined || buffer.byteLength % found[1].BYTES_PER_ELEMENT !== 0) throw unreadable("has broken bytes");
  return new found[1](buffer);
}

function own(value: object, key: string): unknown {
  return Object.getOwnPropertyDescriptor(value, key)?.value;
}

function unreadable(why: string): PayloadError {
  return new PayloadError("PAYLOAD_UNREADABLE", `Expected a stored payload to be one that OmniQ wrote, but it ${why}`);
}
