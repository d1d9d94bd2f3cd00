/** Completion in shells: of bash by running it, of the others by what they must hold. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { COMMANDS, GROUPS, optionsOf } from "../../../src/cli/commands.ts";
import { bash } from "../../../src/cli/completion/bash.ts";
import { completionOf } from "../../../src/cli/completion/completion.ts";
import { fish } from "../../../src/cli/completion/fish.ts";
import { zsh } from "../../../src/cli/completion/zsh.ts";
import { execute } from "../../../src/cli/main.ts";
import { fakeTerminal } from "./fake-terminal.ts";

const completion = completionOf(COMMANDS, GROUPS, optionsOf);
const has = (shell: string): boolean => spawnSync(shell, ["--version"]).error === undefined;

/** What bash offers for the last of these words. */
function offered(lines: readonly (readonly string[])[]): readonly (readonly string[])[] {
  const asks = lines.map((words) => {
    const quoted = words.map((word) => `'${word}'`).join(" ");
    return `COMP_WORDS=(omniq ${quoted}); COMP_CWORD=${words.length}; _omniq 2>/dev/null; echo "\${COMPREPLY[*]}"`;
  });
  const script = `${bash(completion)}\n${asks.join("\n")}\n`;
  const said = execFileSync("bash", ["--norc"], { input: script, encoding: "utf8" });
  return said
    .replace(/\n$/, "")
    .split("\n")
    .map((line) => line.split(" ").filter((word) => word !== ""));
}

describe.runIf(has("bash"))("bash", () => {
  test("completes commands, groups, options and choices", () => {
    const [first, group, within, option, choice, short, past, argument, nothing] = offered([
      ["ta"],
      ["queues", ""],
      ["tasks", "li"],
      ["tasks", "list", "--ph"],
      ["tasks", "list", "--phase", "re"],
      ["tasks", "list", "-q", ""],
      ["--json", "events", "--type", "schedule_f"],
      ["completion", "z"],
      ["tasks", "show", "x"],
    ]);
    expect(first).toEqual(["tasks"]);
    expect(group).toEqual(["list", "pause", "resume", "clear", "--help"]);
    expect(within).toEqual(["list"]);
    expect(option).toEqual(["--phase"]);
    expect(choice).toEqual(["ready", "retrying"]);
    expect(short).toEqual([]);
    expect(past).toEqual(["schedule_fired"]);
    expect(argument).toEqual(["zsh"]);
    expect(nothing).toEqual([]);
  });

  test("completes the value behind an equals sign, whether bash parts words there (it does by default) or not", () => {
    const list = ["tasks", "list"];
    expect(
      offered([
        [...list, "--phase", "=", "re"],
        [...list, "--phase", "="],
        [...list, "--phase=re"],
        [...list, "--queue", "=", "x"],
        [...list, "--queue=x"],
        [...list, "--phase", "=", "ready", "--sta"],
      ]),
    ).toEqual([
      ["ready", "retrying"],
      ["ready", "delayed", "retrying", "blocked", "running", "completed", "failed", "cancelled", "expired"],
      ["--phase=ready", "--phase=retrying"],
      [],
      [],
      ["--status"],
    ]);
  });

  test("knows every command with all its options", () => {
    const answers = offered(COMMANDS.map(({ name }) => [...name.split(" "), "--"]));
    COMMANDS.forEach((spec, i) => {
      const long = optionsOf(spec).map(({ flags }) => /--[\w-]+/.exec(flags)?.[0]);
      expect(answers[i], spec.name).toEqual(expect.arrayContaining(long));
    });
  });
});

describe.each([
  ["bash", bash],
  ["zsh", zsh],
  ["fish", fish],
] as const)("%s", (shell, scriptOf) => {
  const script = scriptOf(completion);

  test.runIf(has(shell))("can read it", () => {
    const dir = mkdtempSync(join(tmpdir(), "omniq-completion-"));
    const file = join(dir, `omniq.${shell}`);
    writeFileSync(file, script);
    const { status, stderr } = spawnSync(shell, ["-n", file], { encoding: "utf8" });
    rmSync(dir, { recursive: true });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  });

  test("has every command, option and choice", () => {
    for (const spec of COMMANDS) {
      for (const word of spec.name.split(" ")) expect(script).toContain(word);
      for (const { flags, choices = [] } of optionsOf(spec)) {
        expect(script).toContain(/--([\w-]+)/.exec(flags)?.[1]);
        expect(script).toContain(choices.join(" "));
      }
    }
  });

  test("is what the command prints", async () => {
    const { terminal, answer } = fakeTerminal();
    expect(await execute(["completion", shell], terminal)).toBe(0);
    expect(answer()).toBe(script);
  });
});

test("of an unknown shell is refused with the nearest known one", async () => {
  const { terminal, lines } = fakeTerminal();
  expect(await execute(["completion", "zhs"], terminal)).toBe(2);
  expect(lines().join("\n")).toContain("Allowed choices are bash, zsh, fish");
});
