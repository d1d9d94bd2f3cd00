import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { projectNameOf, filesOf } from "../../../src/cli/init/files.ts";
import { dependencySpec } from "../../../src/cli/init/install.ts";
import { manifestAt } from "../../../src/cli/init/manifest.ts";
import { resolveConfig } from "../../../src/config/load.ts";
import { CONFIG_FILES } from "../../../src/config/find.ts";
import { parseFile } from "../../../src/config/file.ts";
import { execute } from "../../../src/cli/main.ts";
import { withCode } from "../../fixtures/helpers.ts";
import { fakeTerminal } from "./fake-terminal.ts";

let dir = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "omniq-init-"));
});
afterEach(() => {
  rmSync(dir, { recursive: true });
});

describe("the name of a project", () => {
  test.each([
    ["shop", "shop"],
    ["My Shop!", "my-shop"],
    [".hidden_", "hidden"],
    ["Übung", "bung"],
    ["日本", "my-tasks"],
    ["", "my-tasks"],
    ["omniq", "my-tasks"],
    ["a.b_c-1", "a.b_c-1"],
  ])("of %j is %j, which the configuration takes", async (folder, name) => {
    expect(projectNameOf(folder)).toBe(name);
    const yaml = filesOf(name).find((file) => file.name === "omniq.yaml")?.text ?? "";
    expect(resolveConfig({ file: await parseFile(yaml, "omniq.yaml") }).config).toMatchObject({
      projectName: name,
      worker: { config: { maxWorkers: 10 } },
    });
  });
});

test.each(CONFIG_FILES)("a folder with %s is refused: two configurations would be none", async (name) => {
  writeFileSync(join(dir, name), "");
  const fake = fakeTerminal();
  expect(await execute(["init", dir, "--no-install"], fake.terminal)).toBe(1);
  expect(fake.lines().join("\n")).toContain(`to hold no ${name} yet, but it does; nothing was written`);
  expect(readdirSync(dir)).toEqual([name]);
});

describe("package.json", () => {
  const at = (text?: string): string => {
    const file = join(dir, "package.json");
    if (text !== undefined) writeFileSync(file, text);
    return file;
  };

  test("is made, with what omniq is installed from if nobody else writes it", () => {
    expect(JSON.parse(manifestAt(at(), "shop", "^1.2.3"))).toEqual({
      name: "shop",
      private: true,
      type: "module",
      scripts: { dev: "omniq dev", worker: "omniq worker", enqueue: "node enqueue.ts" },
      dependencies: { omniq: "^1.2.3" },
    });
  });

  test("is completed, and nothing in it is changed", () => {
    const mine = { name: "mine", type: "module", scripts: { dev: "x" }, dependencies: { omniq: "file:a.tgz", zod: "4" } };
    expect(JSON.parse(manifestAt(at(JSON.stringify(mine)), "shop", "^1.2.3"))).toEqual({
      ...mine,
      scripts: { dev: "x", worker: "omniq worker", enqueue: "node enqueue.ts" },
    });
  });

  test.each([['{"type":"commonjs"}'], ["[]"], ["{,"]])("%s is refused", (text) => {
    expect(() => manifestAt(at(text), "shop", undefined)).toThrow(withCode("INIT_REFUSED"));
  });
});

test("omniq comes from the registry where it was installed, and from a clone that is built", () => {
  expect(dependencySpec(join(dir, "node_modules", "omniq"))).toMatch(/^\^\d+\.\d+\.\d+/);
  expect(() => dependencySpec(dir)).toThrow(withCode("INIT_REFUSED"));
});
