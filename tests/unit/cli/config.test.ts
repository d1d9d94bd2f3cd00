import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { execute } from "../../../src/cli/main.ts";
import { widthOf } from "../../../src/cli/text.ts";
import { schemaText } from "../../../scripts/config-schema.ts";
import { fakeTerminal } from "./fake-terminal.ts";

let dir = "";
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "omniq-cli-config-"));
  writeFileSync(join(dir, "omniq.yaml"), "projectName: shop\nworker: { config: { maxWorkers: 2 } }\n");
  writeFileSync(join(dir, "wrong.yaml"), "projectNme: shop\nworker: { config: { maxWorkers: many } }\n");
  writeFileSync(join(dir, "vars"), `OMNIQ_CONFIG=${join(dir, "omniq.yaml")}\nOMNIQ_MAX_WORKERS=3\n`);
});
afterAll(() => {
  rmSync(dir, { recursive: true });
});

async function said(argv: readonly string[], columns?: number): Promise<{ readonly code: number; readonly lines: readonly string[] }> {
  const fake = fakeTerminal(columns === undefined ? {} : { columns });
  const code = await execute(["config", ...argv], fake.terminal);
  return { code, lines: fake.lines().map((line) => stripVTControlCharacters(line)) };
}

describe("config explain", () => {
  test("fits on a terminal", async () => {
    for (const columns of [72, 120]) {
      const { code, lines } = await said(["explain", "--env", join(dir, "vars")], columns);
      expect(code).toBe(0);
      expect(lines.length).toBeGreaterThan(40);
      for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(columns);
    }
  });

  test("reads the file that a variable of the env file names", async () => {
    const { lines } = await said(["explain", "worker.config.maxWorkers", "--json", "--env", join(dir, "vars"), "--debug"]);
    const file = join(dir, "omniq.yaml");
    expect(lines[0]).toBe(`configuration file: ${file}`);
    expect(JSON.parse(lines[1] ?? "")).toEqual({
      option: "worker.config.maxWorkers",
      value: 3,
      from: `OMNIQ_MAX_WORKERS in ${join(dir, "vars")}`,
      over: [`${file}:2:33`],
    });
  });

  test("cuts nothing of one option", async () => {
    const { lines } = await said(["explain", "taskQueue.config.url", "--url", "sqlite:./a.db"], 72);
    expect(lines).toContain("value       sqlite:./a.db");
    expect(lines).toContain("from        --url");
    expect(lines.join("\n")).not.toContain("…");
  });

  test("shows the schema that is in effect, where there is a server", async () => {
    const schemas = async (...argv: readonly string[]) => {
      const { code, lines } = await said(["explain", "--json", ...argv]);
      const rows = lines.map((line) => JSON.parse(line) as { readonly option: string; readonly value: unknown; readonly from: unknown });
      return [code, ...rows.filter(({ option }) => option.endsWith(".schema")).map(({ value, from }) => [value, from])];
    };
    const none = [null, null];
    const url = "postgres://127.0.0.1/shop";
    expect(await schemas()).toEqual([0, none, none, none]);
    expect(await schemas("--url", url)).toEqual([0, ["omniq", "default"], none, none]);
    expect(await schemas("--url", url, "--schema", "mine")).toEqual([0, ["mine", "--schema"], ["mine", "--schema"], ["mine", "--schema"]]);
    expect(await said(["explain", "taskQueue.config.schema", "--url", url])).toMatchObject({
      lines: expect.arrayContaining(["value       omniq", "from        default"]) as string[],
    });
  });

  test.each([[], ["--url", "sqlite:a.db"]])("a schema is of a server: without one it is used wrongly (%j)", async (...argv) => {
    expect(await said(["explain", "--schema", "mine", ...argv])).toMatchObject({
      code: 2,
      lines: [expect.stringContaining("Expected --schema to be given with a postgres:// URL")],
    });
  });

  test("says all mistakes, and what is not there", async () => {
    const { code, lines } = await said(["explain", "projectName", "-c", join(dir, "wrong.yaml")]);
    expect(code).toBe(1);
    expect(lines.filter((line) => line.startsWith("error:"))).toHaveLength(2);
    expect(await said(["explain", "--env", join(dir, "none")])).toMatchObject({
      code: 2,
      lines: [expect.stringMatching(/^error: Expected --env to name a file of variables, but there is no .*none$/)],
    });
    expect((await said(["explain", "--env", dir])).lines[0]).toContain("cannot be read (EISDIR)");
    expect(await said(["explain", "wroker"])).toMatchObject({ code: 2 });
    expect(await said(["explain", "--url", "nonsense"])).toMatchObject({ code: 2 });
    expect(await said(["explain", "--url", "sqlite:a", "--project", "b"])).toMatchObject({ code: 2 });
  });
});

test("config schema is what the package ships", async () => {
  const { lines } = await said(["schema"]);
  expect(`${lines.join("\n")}\n`).toBe(schemaText());
  expect(JSON.parse((await said(["schema", "--json"])).lines[0] ?? "")).toEqual(JSON.parse(schemaText()));
});
