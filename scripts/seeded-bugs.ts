/**
 * Proves that the tests can fail: puts each bug of tests/bugs into a scratch copy, one at a time, and runs the tests that have to notice.
 *
 *     node scripts/seeded-bugs.ts [pattern] [--generated]
 *
 * With a pattern: only the bugs whose room, file or description it matches. With `--generated`: only the generated scripts may notice. Prints a table; exits with 1 if a bug does not apply, or survives.
 */
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import Table from "cli-table3";
import type { Bug } from "../tests/bugs/bug.ts";
import { ROOMS } from "../tests/bugs/rooms.ts";
import type { Room, Suite } from "../tests/bugs/rooms.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const COPIED = ["src", "tests", "scripts", "package.json", "tsconfig.json", "vitest.config.ts"];
/** A bug that makes the tests hang is noticed, too. */
const LONGEST = 300_000;
/** A machine that is busy must not be taken for a test that has failed. */
const TEST_TIMEOUT = "90000";

interface Verdict {
  /** The first test that failed; absent where none did. */
  readonly by?: string;
  /** What it said: it has to be about the bug. */
  readonly said?: string;
  readonly seconds: number;
}

class Scratch {
  readonly #folder = mkdtempSync(join(tmpdir(), "omniq-bugs-"));

  constructor() {
    for (const name of COPIED) cpSync(join(ROOT, name), join(this.#folder, name), { recursive: true });
    symlinkSync(join(ROOT, "node_modules"), join(this.#folder, "node_modules"), "junction");
  }

  /** Runs `then` while the bug is there. */
  async with<R>({ file, find, replace }: Bug, then: () => Promise<R>): Promise<R> {
    const path = join(this.#folder, file);
    const sound = readFileSync(path, "utf8");
    if (sound.split(find).length !== 2) throw new Error(`Expected ${file} to have this text once: ${find}`);
    writeFileSync(
      path,
      sound.replace(find, () => replace),
    );
    try {
      return await then();
    } finally {
      writeFileSync(path, sound);
    }
  }

  async test({ files, pattern }: Suite): Promise<Verdict> {
    const began = performance.now();
    const report = join(this.#folder, ".tmp/results.json");
    rmSync(report, { force: true });
    const only = pattern === undefined ? [] : ["-t", pattern];
    const args = ["run", "--bail", "1", "--testTimeout", TEST_TIMEOUT, "--hookTimeout", TEST_TIMEOUT, ...files, ...only];
    const child = spawn(process.execPath, [join(ROOT, "node_modules/vitest/vitest.mjs"), ...args], {
      cwd: this.#folder,
      stdio: "ignore",
      env: { ...process.env, OMNIQ_TEST_SHRINK: "0" },
      timeout: LONGEST,
    });
    const hung = await new Promise<boolean>((done) => child.once("close", (_, signal) => done(signal !== null)));
    const failure = hung ? { by: "(hung)", said: "" } : firstFailure(report);
    return { ...failure, seconds: (performance.now() - began) / 1_000 };
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

interface Report {
  readonly numPassedTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages?: readonly string[];
    }[];
  }[];
}

/** Only a test that failed counts: one that could not be loaded proves nothing. */
function firstFailure(path: string): { readonly by: string; readonly said: string } | undefined {
  const { testResults, numPassedTests } = JSON.parse(readFileSync(path, "utf8")) as Report;
  const failed = testResults.flatMap(({ name, assertionResults }) =>
    assertionResults.filter(({ status }) => status === "failed").map((test) => ({ file: name, test })),
  );
  const [first] = failed;
  if (first === undefined && numPassedTests === 0) throw new Error(`Expected the tests of ${path} to run`);
  if (first === undefined) return undefined;
  const by = `${first.file.replace(/^.*\/tests\//, "")} › ${first.test.fullName}`;
  return { by, said: (first.test.failureMessages?.[0] ?? "").split("\n").slice(0, 2).join(" ").slice(0, 160) };
}

async function verdictOf(scratch: Scratch, { suites }: Room, bug: Bug): Promise<Verdict> {
  const own = bug.tests === undefined ? [] : [{ files: bug.tests }];
  let seconds = 0;
  for (const suite of [...suites, ...own]) {
    const verdict = await scratch.test(suite);
    seconds += verdict.seconds;
    if (verdict.by !== undefined) return { ...verdict, seconds };
  }
  return { seconds };
}

function generatedOnly({ name, bugs, suites }: Room): Room {
  return {
    name,
    bugs: bugs.map(({ what, file, find, replace }) => ({ what, file, find, replace })),
    suites: suites.filter(({ files }) => files.some((file) => file.includes("/trust/"))),
  };
}

async function main(pattern: RegExp, generated: boolean): Promise<void> {
  const rooms = generated ? ROOMS.map((room) => generatedOnly(room)) : ROOMS;
  const asked = rooms
    .map((room) => ({
      room,
      bugs: room.bugs.filter(({ what, file }) => pattern.test(`${room.name} ${file} ${what}`)),
    }))
    .filter(({ room, bugs }) => bugs.length > 0 && room.suites.length > 0);
  const table = new Table({ head: ["", "room", "bug", "caught by", "s"], colWidths: [4, 10, 50, 80, 6], wordWrap: true });
  const scratch = new Scratch();
  let [caught, all] = [0, 0];
  try {
    for (const { room, bugs } of asked) {
      for (const suite of room.suites) {
        const { by, said } = await scratch.test(suite);
        if (by !== undefined) throw new Error(`Expected the tests to pass without a bug, but this one fails: ${by}: ${said}`);
      }
      for (const bug of bugs) {
        const { by, said, seconds } = await scratch.with(bug, () => verdictOf(scratch, room, bug));
        all++;
        if (by !== undefined) caught++;
        table.push([all, room.name, bug.what, by ?? "SURVIVED", Math.round(seconds)]);
        console.error(
          `${all} ${room.name}: ${bug.what} … ${by === undefined ? "SURVIVED" : `caught by ${by}`} (${Math.round(seconds)} s): ${said ?? ""}`,
        );
      }
    }
  } finally {
    scratch.remove();
  }
  console.log(table.toString());
  console.log(`${caught} of ${all} bugs caught`);
  process.exitCode = caught === all && all > 0 ? 0 : 1;
}

const words = process.argv.slice(2);
await main(new RegExp(words.find((word) => !word.startsWith("--")) ?? ""), words.includes("--generated"));
