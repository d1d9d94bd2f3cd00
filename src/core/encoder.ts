/** The writing half of the codec: a value becomes what `JSON.stringify` can write without changing or dropping any of it. */
import { PayloadError } from "./errors.ts";
import { DEEPEST, put, TAG, tagged, TYPED } from "./tag.ts";

type Key = string | number;
/** The way from the root to a value, as a linked list: built without cost, spelled out only in an error. */
interface Path {
  readonly key: Key;
  readonly parent: Path | undefined;
}

/** What JSON keeps as it is: most of what there is, told without a call or a path. */
function isSimple(value: unknown): boolean {
  return typeof value === "string" || typeof value === "boolean" || (typeof value === "number" && Number.isFinite(value) && value !== 0);
}

export class Encoder {
  readonly #name: string;
  /** The objects that are being visited, outermost first. */
  readonly #open: object[] = [];
  readonly #limit: number;
  /** At least so much text there will be. */
  #length = 0;

  constructor(name: string, limit: number) {
    this.#name = name;
    this.#limit = limit;
  }

  /**
   * What is to be written: a copy, its tags in place. Each property is read once, and what was read is what is stored: no getter, proxy or
   * `toJSON` can show the check one thing and `JSON.stringify` another.
   */
  visit(value: unknown, path: Path | undefined, depth: number): unknown {
    this.#spend(typeof value === "string" ? value.length : 1);
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
    } catch (cause) {
      if (cause instanceof PayloadError) throw cause;
      throw this.#refuse("what throws when it is read", path, cause);
    } finally {
      this.#open.pop();
    }
  }

  #array(value: readonly unknown[], path: Path | undefined, depth: number): unknown {
    if (Object.getPrototypeOf(value) !== Array.prototype) throw this.#refuse("an instance of a class of arrays", path);
    if (hasSymbols(value)) throw this.#refuse("an array with named properties", path);
    const copy: unknown[] = [];
    for (let i = 0; i < value.length; i++) {
      if (!Object.hasOwn(value, i)) throw this.#refuse("a hole in an array", { key: i, parent: path });
      copy.push(this.#part(this.#read(value, i, path), i, path, depth));
    }
    if (Object.keys(value).length !== copy.length) throw this.#refuse("an array with named properties", path);
    return copy;
  }

  #plain(value: object, path: Path | undefined, depth: number): unknown {
    // `arguments`, and what lost its own prototype.
    const kind = Object.prototype.toString.call(value).slice(8, -1);
    if (kind !== "Object") throw this.#refuse(`an instance of ${kind} (pass plain data instead)`, path);
    if (hasSymbols(value)) throw this.#refuse("a symbol as a key", path);
    const copy: Record<string, unknown> = {};
    let isTag = false;
    for (const key of Object.keys(value)) {
      this.#spend(key.length);
      put(copy, key, this.#part(this.#read(value, key, path), key, path, depth));
      isTag ||= key === TAG;
    }
    // Data that looks like a tag is written as pairs, so that it cannot be taken for one.
    return isTag ? tagged("object", Object.entries(copy)) : copy;
  }

  #part(value: unknown, key: Key, path: Path | undefined, depth: number): unknown {
    if (!isSimple(value)) return this.visit(value, { key, parent: path }, depth + 1);
    this.#spend(typeof value === "string" ? value.length : 1);
    return value;
  }

  /** Ends what is far too long, such as lists that hold each other many times over, before it is all visited. */
  #spend(length: number): void {
    this.#length += length;
    if (this.#length > this.#limit) throw tooLarge(this.#name, this.#limit, this.#length);
  }

  #read(value: object, key: Key, parent: Path | undefined): unknown {
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
    if (isExactly(value, ArrayBuffer)) return this.#bytes(new Uint8Array(value), "ArrayBuffer");
    const typed = typedName(value);
    if (typed !== undefined && ArrayBuffer.isView(value)) {
      return this.#bytes(new Uint8Array(value.buffer, value.byteOffset, value.byteLength), typed);
    }
    const name: unknown = value.constructor?.name;
    throw this.#refuse(`an instance of ${typeof name === "string" && name !== "" ? name : "a class"} (pass plain data instead)`, path);
  }

  #bytes(bytes: Uint8Array, type: string): unknown {
    this.#spend(bytes.byteLength);
    return tagged("bytes", toBase64(bytes), type);
  }

  /** An error is text, a code, its cause and its parts; its class comes back as `Error` with the name. More on it would be lost. */
  #error(error: Error, inner: (item: unknown, key: Key) => unknown, path: Path | undefined): Record<string, unknown> {
    const extra = Object.keys(error).find((key) => !ERROR_KEYS.has(key));
    if (extra !== undefined) throw this.#refuse("an error with properties of its own", { key: extra, parent: path });
    if (hasSymbols(error)) throw this.#refuse("an error with properties of its own", path);
    const out: Record<string, unknown> = { name: String(error.name), message: String(error.message) };
    if (typeof error.stack === "string") out["stack"] = error.stack;
    if ("code" in error && error.code !== undefined) out["code"] = inner(error.code, "code");
    if ("errors" in error && error.errors !== undefined) out["errors"] = inner(error.errors, "errors");
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
  return Object.getPrototypeOf(value) === type.prototype && Object.keys(value).length === 0 && !hasSymbols(value);
}

function hasSymbols(value: object): boolean {
  return Object.getOwnPropertySymbols(value).length > 0;
}

export function tooLarge(name: string, limit: number, length: number): PayloadError {
  return new PayloadError("PAYLOAD_TOO_LARGE", `Expected ${name} to be at most ${limit} bytes, got ${length} or more`);
}

function typedName(value: object): string | undefined {
  if (Object.getPrototypeOf(value) === Buffer.prototype) return "Buffer";
  for (const [name, type] of Object.entries(TYPED)) if (Object.getPrototypeOf(value) === type.prototype) return name;
  return undefined;
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}
