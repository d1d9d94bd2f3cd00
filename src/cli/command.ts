/** What a command is: the rows of the command table, from which the parser, the help and the reference are made. */
import type { Terminal } from "./terminal.ts";

/** 0 fine, 1 failed, 2 used wrongly, 130 interrupted. */
export const EXIT = { fine: 0, failed: 1, misused: 2, interrupted: 130 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** The command was used wrongly in a way that only the command itself can see. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

export interface OptionSpec {
  /** As in the help: `-q, --queue <name>`. */
  readonly flags: string;
  readonly about: string;
  /** What the API calls it, where that is not the flag's own name in camelCase: its errors are told in flags. */
  readonly sets?: string;
  readonly choices?: readonly string[];
  readonly default?: number;
  /** May be given several times; the values gather in a list. */
  readonly repeatable?: true;
  /** A whole number within these bounds. */
  readonly whole?: { readonly min: number; readonly max: number };
  /** What else than text it is: read by `given.duration`, `given.time` or `given.json`. `past`: a time, or how long ago it was. */
  readonly kind?: "duration" | "time" | "past" | "json";
}

export interface ArgumentSpec {
  /** As in the help: `<id>` must be given, `[folder]` may, `[ids...]` may be several. */
  readonly name: string;
  readonly about: string;
  /** What the API calls it, where that is another name. */
  readonly sets?: string;
  readonly choices?: readonly string[];
}

export interface CommandSpec {
  /** With its group: `tasks list`. */
  readonly name: string;
  readonly about: string;
  readonly arguments?: readonly ArgumentSpec[];
  readonly options?: readonly OptionSpec[];
  /** Reads a database: takes the options that say which. */
  readonly database: boolean;
  readonly examples: readonly (readonly [command: string, about: string])[];
  /** Imported only when the command is run. */
  readonly load: () => Promise<{ readonly run: Run }>;
}

export type Run = (given: Given, terminal: Terminal) => Promise<ExitCode>;

/** What a command was given, already checked by the parser. */
export class Given {
  readonly #arguments: readonly (string | undefined)[];
  readonly #options: Readonly<Record<string, unknown>>;

  /** All that stood behind `omniq`, as it was typed. */
  readonly typed: readonly string[];

  constructor(args: readonly (string | undefined)[], options: Readonly<Record<string, unknown>>, typed: readonly string[] = []) {
    this.#arguments = args;
    this.#options = options;
    this.typed = typed;
  }

  argument(i: number): string | undefined {
    return this.#arguments[i];
  }

  /** All arguments, where there may be several. */
  get arguments(): readonly string[] {
    return this.#arguments.filter((argument) => argument !== undefined);
  }

  text(option: string): string | undefined {
    const value = this.#options[option];
    return typeof value === "string" ? value : undefined;
  }

  texts(option: string): readonly string[] {
    const value = this.#options[option];
    return Array.isArray(value) ? value.map(String) : [];
  }

  /** One of these words. */
  word<W extends string>(option: string, words: readonly W[]): W | undefined {
    const value = this.text(option);
    return words.find((word) => word === value);
  }

  whole(option: string): number | undefined {
    const value = this.#options[option];
    return typeof value === "number" ? value : undefined;
  }

  /** Milliseconds. */
  duration(option: string): number | undefined {
    return this.whole(option);
  }

  time(option: string): Date | undefined {
    const value = this.#options[option];
    return value instanceof Date ? value : undefined;
  }

  /** Any JSON value; absent is `undefined`. */
  json(option: string): unknown {
    return this.#options[option];
  }

  flag(option: string): boolean {
    return this.#options[option] === true;
  }
}
