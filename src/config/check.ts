/** Reads data against the table of options: known keys only, each value of its kind. */
import { ConfigError, describe } from "../core/errors.ts";
import { didYouMean } from "../core/nearest.ts";
import { isOption, OPTIONS } from "./options.ts";
import type { AnyOption, ConfigData, Section, Values } from "./options.ts";
import { withoutSecrets } from "./url.ts";
import { isPostgresUrl } from "../core/url.ts";

/** Where a value came from. `file` is the name that was given. */
export type Origin =
  | { readonly from: "default" | "code" }
  /** An option of the command line, as `--url`. */
  | { readonly from: "option"; readonly name: string }
  /** `file`: the one that sets it, where that is not the process. */
  | { readonly from: "variable"; readonly name: string; readonly file?: string }
  /** Lines and columns count from 1. In a file that is a program they cannot be told. */
  | { readonly from: "file"; readonly file: string; readonly line?: number; readonly column?: number };

/** `default`, `code`, `--url`, `OMNIQ_URL`, `OMNIQ_URL in .env`, `omniq.yaml:3:5`, `omniq.config.ts`. */
export function originText(origin: Origin): string {
  if (origin.from === "option") return origin.name;
  if (origin.from === "variable") return origin.file === undefined ? origin.name : `${origin.name} in ${origin.file}`;
  if (origin.from !== "file") return origin.from;
  return origin.line === undefined ? origin.file : `${origin.file}:${origin.line}:${origin.column ?? 1}`;
}

/** One value of the configuration. `rank`: a source that counts for more has a higher one. */
interface Leaf {
  readonly value: unknown;
  readonly origin: Origin;
  readonly rank: number;
}
/** The values that one source gives, or all of them together, by path. */
export type Leaves = Map<string, Leaf>;

/** Tells where something stands, by the keys as they are written there; `key` asks for the last key instead of its value. */
export type Where = (keys: readonly string[], what: "key" | "value") => Origin | undefined;
const nowhere: Where = () => undefined;

/** Data to be read, and where each of its values stands. */
export interface Source {
  readonly data: unknown;
  readonly where: Where;
}

/** Told of each mistake. One that returns has the rest read too, so that all mistakes come to light at once. */
export type Complain = (mistake: ConfigError) => void;
/** The first mistake is the end. */
export const refuse: Complain = (mistake) => {
  throw mistake;
};

/** The same behind an error message. */
export const at = (origin: Origin | undefined): string => {
  if (origin === undefined) return "";
  return origin.from === "code" ? " (given in code)" : ` (${originText(origin)})`;
};

/** The same where another value of the same source stands beside it: in code they are found by their names. */
const placeOf = (origin: Origin): string => (origin.from === "code" ? "" : at(origin));

/** @returns the error for a value that an option cannot have. */
export function wrongValue(path: string, option: AnyOption, value: unknown, origin: Origin | undefined): ConfigError {
  return new ConfigError(
    "CONFIG_INVALID",
    `Expected \`${path}\` to be ${option.kind.wanted}, got ${shown(value, option.secret)}${at(origin)}`,
  );
}

/** A value for a message: no passwords. */
function shown(value: unknown, secret: boolean): string {
  if (typeof value !== "string") return describe(value);
  return secret ? `a text of ${value.length} characters that is not shown` : describe(withoutSecrets(value));
}

/** Where a JSON file tells editors which schema it keeps to. */
export const SCHEMA_KEY = "$schema";

/** How a section is read. */
interface Reading {
  readonly rank: number;
  readonly where?: Where;
  readonly complain?: Complain;
}

/**
 * The values that plain data gives for a section of the table, by path. Keys may be in camelCase or in snake_case; `null` is absent.
 * Complains with `CONFIG_INVALID` of an unknown key, with the nearest known one, and of a value of another kind.
 */
export function readSection(section: Section, data: unknown, path: string, reading: Reading): Leaves {
  const reader = new Reader(reading);
  reader.section(section, data, { path, written: [] });
  return reader.leaves;
}

interface Place {
  readonly path: string;
  /** The keys as they are written. */
  readonly written: readonly string[];
}

class Reader {
  readonly leaves: Leaves = new Map();
  readonly #rank: number;
  readonly #where: Where;
  readonly #complain: Complain;

  constructor({ rank, where = nowhere, complain = refuse }: Reading) {
    this.#rank = rank;
    this.#where = where;
    this.#complain = complain;
  }

  section(section: Section, data: unknown, place: Place): void {
    this.#reading(place, () => {
      const plain = this.#plain(data, place);
      const seen = new Map<string, Place>();
      for (const written of Object.keys(plain)) {
        if (written === SCHEMA_KEY && place.path === "") continue;
        const key = written.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
        const inner: Place = { path: place.path === "" ? key : `${place.path}.${key}`, written: [...place.written, written] };
        const node = Object.hasOwn(section, key) ? section[key] : undefined;
        const before = seen.get(key);
        if (node === undefined) this.#complain(this.#unknown(section, written, place, inner));
        else if (before !== undefined) this.#complain(this.#twice(before, inner));
        else this.#reading(inner, () => this.#node(node, Reflect.get(plain, written), inner));
        seen.set(key, inner);
      }
    });
  }

  /** What is read may be a program: a getter or a proxy that throws is a mistake at its place. */
  #reading(place: Place, step: () => void): void {
    try {
      step();
    } catch (cause) {
      if (cause instanceof ConfigError) throw cause;
      const why = withoutSecrets(cause instanceof Error ? `${cause.name}: ${cause.message}` : describe(cause));
      this.#complain(this.#wrong(`Expected ${nameOf(place)} to be readable, got ${why}`, place));
    }
  }

  #node(node: AnyOption | Section, value: unknown, place: Place): void {
    if (value === null || value === undefined) return;
    if (!isOption(node)) {
      this.section(node, value, place);
      return;
    }
    const origin = this.#where(place.written, "value");
    const kept: unknown = node.kind.read(value);
    if (kept === undefined) this.#complain(wrongValue(place.path, node, value, origin));
    else this.leaves.set(place.path, { value: kept, origin: origin ?? { from: "code" }, rank: this.#rank });
  }

  /** A plain object; a model of the configuration counts as its data. */
  #plain(data: unknown, place: Place): object {
    if (isPlain(data)) return data;
    if (typeof data === "object" && data !== null && "toJSON" in data && typeof data.toJSON === "function") {
      const json: unknown = data.toJSON();
      if (isPlain(json)) return json;
    }
    this.#complain(this.#wrong(`Expected ${nameOf(place)} to be an object of options, got ${calledAs(data)}`, place));
    return {};
  }

  #unknown(section: Section, written: string, place: Place, inner: Place): ConfigError {
    const message = `Expected ${nameOf(place)} to have known keys only, got \`${withoutSecrets(written)}\``;
    return new ConfigError(
      "CONFIG_INVALID",
      `${message}${at(this.#where(inner.written, "key"))}.${didYouMean(written, Object.keys(section))}`,
    );
  }

  #twice(...places: readonly [Place, Place]): ConfigError {
    const [first, second] = places.map(({ written }) => `\`${written.at(-1)}\`${at(this.#where(written, "key"))}`);
    return new ConfigError("CONFIG_INVALID", `Expected ${nameOf(places[0])} to be given once, got it as ${first} and as ${second}`);
  }

  #wrong(message: string, place: Place): ConfigError {
    return new ConfigError("CONFIG_INVALID", `${message}${at(this.#where(place.written, "value"))}`);
  }
}

const nameOf = ({ path }: Place): string => (path === "" ? "the configuration" : `\`${path}\``);

/** What is made by braces, in whatever realm, or has no prototype, as the namespace of a module. */
function isPlain(value: unknown): value is object {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** What is no plain object, for a message: a `Map` would look like one otherwise. */
function calledAs(value: unknown): string {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return shown(value, true);
  const { name } = value.constructor;
  return name === "" || name === "Object" ? "an object that inherits" : `an instance of ${name}`;
}

const NOT_GIVEN = 0;

/** Each option that has a value of its own. */
export function presets(section: Section, path: string): Leaves {
  const leaves: Leaves = new Map();
  for (const [key, node] of Object.entries(section)) {
    const inner = path === "" ? key : `${path}.${key}`;
    if (!isOption(node)) for (const [each, leaf] of presets(node, inner)) leaves.set(each, leaf);
    else if ("initial" in node) leaves.set(inner, { value: copy(node.initial), origin: { from: "default" }, rank: NOT_GIVEN });
  }
  return leaves;
}

function copy(value: unknown): unknown {
  return Array.isArray(value) ? [...value] : value;
}

/** The values as nested plain objects; every section is there, also an empty one. */
export function nest<const S extends Section>(section: S, leaves: Leaves, path: string): Values<S> {
  const out: Record<string, unknown> = {};
  for (const [key, node] of Object.entries(section)) {
    const inner = path === "" ? key : `${path}.${key}`;
    if (!isOption(node)) out[key] = nest(node, leaves, inner);
    else if (leaves.has(inner)) out[key] = copy(leaves.get(inner)?.value);
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- each value was read by its option's kind, from which the type is made
  return out as Values<S>;
}

/** Where the task queue lies when nothing says otherwise. */
const BASE_DIR = "./omniq_data";
const STORES = ["taskQueue", "resultStore", "eventStore"] as const;

/**
 * Each store at one place: of `url` and `baseDir` the one of the higher rank stays, and the task queue has one of them.
 * Complains when both come from the same source.
 */
export function placeStores(leaves: Leaves, complain: Complain = refuse): void {
  const said = new Set<string>();
  for (const store of STORES) {
    const [urlPath, dirPath] = [`${store}.config.url`, `${store}.config.baseDir`];
    const [url, dir] = [leaves.get(urlPath), leaves.get(dirPath)];
    if (url !== undefined && dir !== undefined) {
      const sources = [originText(url.origin), originText(dir.origin)].join();
      // Two variables contradict each other once, though they place three stores.
      if (url.rank === dir.rank && !(url.origin.from === "variable" && said.has(sources))) {
        said.add(sources);
        const [one, other] = [`\`${urlPath}\`${placeOf(url.origin)}`, `\`${dirPath}\`${placeOf(dir.origin)}`];
        complain(new ConfigError("CONFIG_INVALID", `Expected ${one} to be given alone, got ${other} too`));
      }
      leaves.delete(url.rank > dir.rank ? dirPath : urlPath);
    } else if (store === "taskQueue" && url === undefined && dir === undefined) {
      leaves.set(dirPath, { value: BASE_DIR, origin: { from: "default" }, rank: NOT_GIVEN });
    }
  }
  for (const store of STORES) inferType(store, leaves);
}

/** A type that nobody gave is what the place says: the store's own, else the task queue's. */
function inferType(store: (typeof STORES)[number], leaves: Leaves): void {
  const given = leaves.get(`${store}.type`);
  if (given !== undefined && given.origin.from !== "default") return;
  const own = leaves.get(`${store}.config.url`);
  const url = own ?? (leaves.has(`${store}.config.baseDir`) ? undefined : leaves.get("taskQueue.config.url"));
  if (url === undefined || typeof url.value !== "string" || !isPostgresUrl(url.value)) return;
  leaves.set(`${store}.type`, { value: "postgres", origin: url.origin, rank: NOT_GIVEN });
}

/**
 * The whole configuration that plain data gives, with the defaults.
 * @throws ConfigError `CONFIG_INVALID` naming the path of the first wrong value.
 */
export function readConfig(data: unknown): ConfigData {
  const leaves = new Map([...presets(OPTIONS, ""), ...readSection(OPTIONS, data, "", { rank: 1 })]);
  placeStores(leaves);
  return nest(OPTIONS, leaves, "");
}
