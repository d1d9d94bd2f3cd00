import { CommanderError } from "commander";
import { describe, expect, test } from "vitest";
import { COMMANDS } from "../../../src/cli/commands.ts";
import { parse } from "../../../src/cli/program.ts";
import { fakeTerminal } from "./fake-terminal.ts";

function said(...argv: string[]): { readonly error: unknown; readonly text: string } {
  const { terminal, lines } = fakeTerminal();
  let error: unknown;
  try {
    parse(argv, "1.2.3", terminal);
  } catch (thrown) {
    error = thrown;
  }
  return { error, text: lines().join("\n") };
}

describe("the parser", () => {
  test("gives a command what it was given, also the options of all commands behind it", () => {
    const asked = parse(
      ["tasks", "list", "--phase", "failed", "-t", "a", "--tag", "b", "-n", "7", "--project", "shop", "--json"],
      "1",
      fakeTerminal().terminal,
    );
    expect(asked?.spec.name).toBe("tasks list");
    const { given } = asked ?? {};
    expect(given?.word("phase", ["failed", "ready"])).toBe("failed");
    expect(given?.texts("tag")).toEqual(["a", "b"]);
    expect(given?.whole("limit")).toBe(7);
    expect(given?.text("project")).toBe("shop");
    expect(given?.flag("json")).toBe(true);
    expect(given?.flag("debug")).toBe(false);
  });

  test("of one command knows nothing at the next", () => {
    parse(["tasks", "list", "--tag", "a"], "1", fakeTerminal().terminal);
    expect(parse(["tasks", "list", "--tag", "b"], "1", fakeTerminal().terminal)?.given.texts("tag")).toEqual(["b"]);
  });

  test.each([
    [["taks"], "unknown command 'taks'\n(Did you mean tasks?)"],
    [["tasks", "lst"], "unknown command 'lst'\n(Did you mean list?)"],
    [["stats", "--projct", "x"], "unknown option '--projct'\n(Did you mean --project?)"],
    [["--jsn", "stats"], "unknown option '--jsn'\n(Did you mean --json?)"],
    [["--prject", "x", "stats"], "unknown option '--prject'\n(Did you mean --project, behind its command?)"],
    [["--prject=x", "stats"], "(Did you mean --project, behind its command?)"],
    [["tasks", "--phse", "ready", "list"], "(Did you mean --phase, behind its command?)"],
    [["--project", "x", "stats"], "unknown option '--project'\n(--project stands behind its command)"],
    [["--nothing-like-it", "stats"], "unknown option '--nothing-like-it'\nTry: omniq --help"],
    [["tasks", "list", "--phase", "redy"], "Allowed choices are ready, delayed"],
    [["tasks", "list", "--limit", "0"], "Expected a whole number from 1 to 10000."],
    [["tasks", "list", "--limit", "1e3"], "Expected a whole number from 1 to 10000."],
    [["tasks", "show"], "missing required argument 'id'"],
    [["tasks", "show", "a", "b"], "too many arguments"],
    [["events", "--type"], "argument missing"],
  ])("%j is refused with a hint", (argv, hint) => {
    const { error, text } = said(...argv);
    expect(error).toBeInstanceOf(CommanderError);
    expect(text).toContain(hint);
    expect(text).toContain("--help");
  });

  test.each(COMMANDS.map(({ name }) => name))("%s has help with its examples", (name) => {
    const { error, text } = said(...name.split(" "), "--help");
    expect(error).toMatchObject({ exitCode: 0 });
    expect(text).toContain(`Usage: omniq ${name}`);
    expect(text).toContain("Examples:");
    expect(text).toContain("--json");
  });

  test("escapes what was typed where it refuses it", () => {
    for (const argv of [["no\u001b[31mpe"], ["stats", "--no\u001b[31mpe"], ["tasks", "list", "--phase", "\u001b[31m"]]) {
      const { text } = said(...argv);
      expect(text).toContain(String.raw`\x1b[31m`);
      expect(text).not.toContain("\u001b");
    }
  });

  test("has a version", () => {
    expect(said("--version")).toMatchObject({ error: { exitCode: 0 }, text: "1.2.3" });
  });
});
