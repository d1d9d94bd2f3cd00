/** One of a crowd that works off one file: `node contender.ts '{"path": …}'`. Measures how long each of its calls to the store waits. */
import { OmniQ } from "../../src/index.ts";
import { SQLiteBackend } from "../../src/sqlite.ts";
import { tortureTasks } from "./job.ts";
import { Witness } from "./journal.ts";

export interface ContenderOptions {
  readonly path: string;
  readonly journal: string;
  readonly lease: number;
  /** So many tasks it enqueues itself, one by one, while it works. */
  readonly enqueues: number;
  readonly name: string;
}
/** What it says at its end. */
export interface Experience {
  /** Milliseconds of the longest call of each kind. */
  readonly longest: Readonly<Record<string, number>>;
  /** Codes of the errors that a user would have seen. */
  readonly errors: readonly string[];
}

type Verb = (...args: never[]) => Promise<unknown>;
const isVerb = (value: unknown): value is Verb => typeof value === "function";

const { path, journal, lease, enqueues, name } = JSON.parse(process.argv[2] ?? "{}") as ContenderOptions;
const longest: Record<string, number> = {};
const errors: string[] = [];
const codeOf = (error: unknown): string => (error instanceof Error && "code" in error ? String(error.code) : String(error));

/** Measures the calls of this verb from now on. */
function time(verbs: object, verb: string): void {
  const own: unknown = Reflect.get(verbs, verb);
  if (!isVerb(own)) throw new TypeError(`Expected the backend to have ${verb}()`);
  Reflect.set(verbs, verb, async (...args: never[]): Promise<unknown> => {
    const since = performance.now();
    try {
      return await own(...args);
    } finally {
      longest[verb] = Math.max(longest[verb] ?? 0, performance.now() - since);
    }
  });
}

const backend = new SQLiteBackend({ path });
for (const verb of ["claim", "settle", "enqueue"]) time(backend.work, verb);
time(backend.presence, "beat");
const quiet = (): void => undefined;
const omniq = new OmniQ({ backend, logger: { debug: quiet, info: quiet, warn: quiet, error: quiet } });
const witness = new Witness(journal);
const { job } = tortureTasks(witness);
const worker = omniq.worker({ tasks: [job], lease });
worker.on("error", (error) => errors.push(codeOf(error)));
await worker.start();
process.send?.("ready");

const stopped = new Promise<void>((resolve) => {
  process.on("message", () => {
    resolve();
  });
});
for (let n = 0; n < enqueues; n++)
  await omniq.enqueue(job, { ms: 1, goes: "well", child: false }, { id: `${name}-${n}` }).catch((error: unknown) => {
    witness.tell("refused");
    errors.push(codeOf(error));
  });
await stopped;
await omniq.close();
const experience: Experience = { longest, errors };
process.send?.(experience, () => {
  process.disconnect();
});
