/** Whatever is typed: an exit code that is documented, no stack, no password, nothing that a terminal obeys, and JSON that is JSON. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { CommandSpec, OptionSpec } from "../../../src/cli/command.ts";
import { COMMANDS, optionsOf } from "../../../src/cli/commands.ts";
import { execute } from "../../../src/cli/main.ts";
import { defineTask, OmniQ } from "../../../src/index.ts";
import { FUZZ, hostileText, runs, sharedPrototypes } from "../../fixtures/hostile.ts";
import { fakeTerminal } from "./fake-terminal.ts";

const SECRET = "hunter2";
/** Nobody answers there. */
const URLS = [
  `postgres://admin:${SECRET}@127.0.0.1:1/shop`,
  `postgres://admin:${SECRET}/x@127.0.0.1:1/shop`,
  `mysql://admin:${SECRET}@h/s`,
];
/** They work until they are stopped, or start other programs. */
const ENDLESS = new Set(["worker", "dev", "demo", "init"]);
const WAITING = /^--(?:follow|watch|wait|debug)\b/;
const commands = COMMANDS.filter(({ name }) => !ENDLESS.has(name));

const home = process.cwd();
let root = "";
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "omniq-fuzz-"));
  // Paths that climb do not leave it.
  const cwd = join(root, "a", "b", "c", "d");
  mkdirSync(cwd, { recursive: true });
  process.chdir(cwd);
  const echo = defineTask({ name: "echo", handler: (args: unknown) => args });
  const omniq = new OmniQ<unknown>();
  await omniq.enqueue(echo, { evil: "\u001B]0;title\u0007" }, { id: "known", tags: ["t"] });
  await omniq.schedule(echo, {}, { id: "known", every: "1h" });
  await omniq.worker({ tasks: [echo] }).drain();
  await omniq.enqueue(echo, {}, { id: "waits" });
  await omniq.close();
});
afterAll(() => {
  process.chdir(home);
  rmSync(root, { recursive: true, force: true });
});

/** Text that can be an argument: no NUL. */
const typed = hostileText.map((text) => text.replaceAll("\0", ""));
const words = fc.constantFrom(
  "known",
  "waits",
  "echo",
  "default",
  "1h",
  "5s",
  "7",
  "-1",
  "1e999",
  "{}",
  '{"a":1}',
  "[",
  "2026-01-01",
  "* * * * *",
  "Mars/Olympus",
  "sqlite:x.db",
  "sqlite::memory:",
  "null",
);

function optionOf(spec: OptionSpec): fc.Arbitrary<readonly string[]> {
  const [flag = ""] = /--[\w-]+/.exec(spec.flags) ?? [];
  if (!spec.flags.includes("<")) return fc.constant([flag]);
  const placed = /^--(?:url|from|to|config|env|project|base-dir|schema)/.test(flag) ? [fc.constantFrom(...URLS)] : [];
  return fc.oneof(words, typed, fc.constantFrom(...(spec.choices ?? ["x"])), ...placed).map((value) => [`${flag}=${value}`]);
}

function lineOf(spec: CommandSpec): fc.Arbitrary<readonly string[]> {
  const options = optionsOf(spec).filter(({ flags }) => !WAITING.test(/--[\w-]+/.exec(flags)?.[0] ?? ""));
  const some = fc.array(
    fc.oneof(
      { weight: 9, arbitrary: fc.constantFrom(...options).chain((option) => optionOf(option)) },
      { weight: 1, arbitrary: typed.map((text) => [`--${text}`]) },
    ),
    { maxLength: 4 },
  );
  const given = fc.array(fc.oneof(words, typed), { maxLength: (spec.arguments ?? []).length + 1 });
  return fc
    .tuple(given, some)
    .map(([args, flags]) => [...spec.name.split(" "), ...args, ...flags.flat()].filter((text) => !WAITING.test(text)));
}

/** A lone dash would read from a terminal where nobody types; behind two, an option is an id like any other. */
const line = fc
  .oneof(
    { weight: 9, arbitrary: fc.constantFrom(...commands).chain((spec) => lineOf(spec)) },
    { weight: 1, arbitrary: fc.array(fc.oneof(words, typed), { maxLength: 4 }).filter(([first]) => !ENDLESS.has(first ?? "")) },
  )
  .filter((argv) => !argv.some((text) => /^--?$/.test(text)));

test("whatever is typed ends as documented, and says nothing that it should not", FUZZ, async () => {
  // A command that has imported a module of tasks does not wait for what that left running.
  vi.spyOn(process, "exit").mockImplementation(() => undefined as never);
  const before = sharedPrototypes();
  const codes = new Set<number>();
  await fc.assert(
    fc.asyncProperty(line, async (argv) => {
      const { terminal, lines, answer } = fakeTerminal();
      const code = await execute(argv, terminal);
      codes.add(code);
      const said = lines().join("\n");
      expect([0, 1, 2]).toContain(code);
      expect(said).not.toMatch(/^\s+at .*:\d+/m);
      expect(said).not.toContain("not foreseen");
      expect(said).not.toContain(SECRET);
      // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
      expect(said).not.toMatch(/[\u0000-\u0009\u000B-\u001F\u007F-\u009F\u202A-\u202E\u2066-\u2069]/);
      if (code !== 0) expect(said).not.toBe("");
      if (argv.includes("--json") && code === 0) expect(() => readJson(answer())).not.toThrow();
    }),
    runs(300),
  );
  expect(codes).toEqual(new Set([0, 1, 2]));
  expect(sharedPrototypes()).toBe(before);
});

/** One document, or one value a line. */
function readJson(text: string): void {
  try {
    JSON.parse(text);
  } catch {
    for (const each of text
      .trim()
      .split("\n")
      .filter((one) => one !== ""))
      JSON.parse(each);
  }
}
