/** The commands that keep a database well, in this process: their answers for people and for programs. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { SCHEMA_VERSION } from "../../../src/backends/sqlite/examine.ts";
import { execute } from "../../../src/cli/main.ts";
import { widthOf } from "../../../src/cli/text.ts";
import { defineTask, OmniQ } from "../../../src/index.ts";
import { fakeTerminal } from "./fake-terminal.ts";

const echo = defineTask({ name: "echo", handler: ({ n }: { n: number }) => n });

let dir = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "omniq-operate-"));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

async function said(argv: readonly string[], columns?: number): Promise<{ readonly code: number; readonly lines: readonly string[] }> {
  const fake = fakeTerminal(columns === undefined ? {} : { columns });
  const code = await execute(argv, fake.terminal);
  return { code, lines: fake.lines().map((line) => stripVTControlCharacters(line)) };
}
const here = (...argv: readonly string[]) => said([...argv, "--base-dir", dir]);
async function shop(work: (omniq: OmniQ) => Promise<unknown> = (omniq) => omniq.open()): Promise<void> {
  const omniq = new OmniQ({ baseDir: dir });
  await work(omniq);
  await omniq.close();
}

test("migrate tells before and after", async () => {
  const file = join(dir, "omniq.db");
  expect(await here("migrate", "--check")).toEqual({ code: 1, lines: [`${file} is not there yet: omniq migrate makes it.`] });
  expect(await here("migrate")).toEqual({ code: 0, lines: [`${file} was made (schema version ${SCHEMA_VERSION}).`] });
  expect(await here("migrate")).toEqual({ code: 0, lines: [`${file} was current already (schema version ${SCHEMA_VERSION}).`] });
  expect(await here("migrate", "--check")).toEqual({ code: 0, lines: [`${file} is current (schema version ${SCHEMA_VERSION}).`] });
  expect((await said(["migrate", "--url", "sqlite::memory:"])).lines.join()).toContain("STORAGE_NOT_FOUND");
});

test("health is one line", async () => {
  expect((await here("health")).lines).toEqual([`unhealthy: there is no database at ${join(dir, "omniq.db")}`]);
  await shop();
  expect(await here("health")).toEqual({ code: 0, lines: [`healthy: ${join(dir, "omniq.db")}, 0 live workers`] });
  expect((await here("health", "--worker", "--json")).lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
    { healthy: false, workers: 0 },
  ]);
  expect((await said(["health", "--url", "sqlite::memory:"])).code).toBe(1);
});

test("cleanup counts", async () => {
  await shop(async (omniq) => {
    await omniq.enqueue(echo, { n: 1 });
    await omniq.worker({ tasks: [echo] }).drain();
  });
  expect((await here("cleanup")).lines[0]).toMatch(/^Took away 0 ended tasks, 0 results and 0 events past their time in \d/);
  const config = join(dir, "c.yaml");
  writeFileSync(config, `taskQueue: { config: { baseDir: ${JSON.stringify(dir)} } }\nretention: { completed: 1, events: 1 }\n`);
  const { lines } = await said(["cleanup", "-c", config], 100);
  expect(lines.join("\n")).toContain("1 ended task (1 completed)");
});

describe("backup", () => {
  test("says what it wrote, and shows on a terminal how far it is", async () => {
    await shop((omniq) => omniq.enqueueMany([1, 2, 3].map((n) => echo.with({ n }))));
    const { code, lines } = await said(["backup", join(dir, "copy.db"), "--base-dir", dir], 200);
    expect(code).toBe(0);
    expect(lines.at(-1)).toMatch(/copy\.db: 3 tasks, .* KB, checked, in \d/);
    expect((await here("backup", join(dir, "copy.db"))).code).toBe(1);
    const again = await here("backup", join(dir, "copy.db"), "--force", "--json");
    expect(again.lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([{ tasks: 3, holds: ["tasks", "results", "events"] }]);
  });

  test("needs a database of ours", async () => {
    expect((await here("backup", join(dir, "copy.db"))).lines[0]).toContain("STORAGE_NOT_FOUND");
    writeFileSync(join(dir, "omniq.db"), "");
    expect((await here("backup", join(dir, "copy.db"))).lines[0]).toContain("FOREIGN_SCHEMA");
    expect(existsSync(join(dir, "copy.db"))).toBe(false);
  });
});

describe("doctor", () => {
  test("fits a terminal as far as its paths do, and ends with the sum", async () => {
    await shop((omniq) => omniq.enqueue(echo, { n: 1 }));
    const { code, lines } = await said(["doctor", "--base-dir", dir], 120);
    expect(code).toBe(0);
    expect(lines.at(-1)).toBe("0 problems, 1 warning.");
    for (const line of lines.filter((each) => !each.includes(dir))) expect(widthOf(line)).toBeLessThanOrEqual(120);
    const [whole] = (await here("doctor", "--full", "--json")).lines;
    expect(JSON.parse(whole ?? "")).toMatchObject({ problems: 0, warnings: 1 });
  });

  test("looks at each file where there are several, and goes on where one is broken", async () => {
    await shop();
    const config = join(dir, "c.yaml");
    writeFileSync(
      config,
      `taskQueue: { config: { baseDir: ${JSON.stringify(dir)} } }\nresultStore: { config: { url: "sqlite:${join(dir, "r.db")}" } }\n`,
    );
    writeFileSync(join(dir, "r.db"), "text and nothing but text\n".repeat(100));
    const { code, lines } = await said(["doctor", "-c", config]);
    expect(code).toBe(1);
    expect(lines.join("\n")).toMatch(/tasks, events: .*omniq\.db[\s\S]*results: .*r\.db[\s\S]*NOT_A_DATABASE[\s\S]*were not looked at/);
    writeFileSync(config, "projctName: a\n");
    expect((await said(["doctor", "-c", config])).lines.join("\n")).toContain("projctName");
    expect((await said(["doctor", "-c", join(dir, "none.yaml")])).lines.join("\n")).toContain("there is no such file");
    expect((await said(["doctor", "--url", "sqlite::memory:"])).code).toBe(0);
  });
});

describe("init", () => {
  test("makes the files, and says what comes next", async () => {
    const { code, lines } = await said(["init", join(dir, "Shop 1"), "--no-install"]);
    expect(code).toBe(0);
    expect(lines.join("\n")).toMatch(/^Made tasks\.ts.*\n\nNext:\n {2}cd .*\n {2}npm install\n {2}npx omniq dev/);
    expect(JSON.parse(readFileSync(join(dir, "Shop 1/package.json"), "utf8"))).toMatchObject({ name: "shop-1", type: "module" });
    expect((await said(["init", join(dir, "Shop 1")])).lines[0]).toContain("INIT_REFUSED");
  });

  test("installs nothing where omniq is found already", async () => {
    mkdirSync(join(dir, "node_modules/omniq"), { recursive: true });
    writeFileSync(join(dir, "node_modules/omniq/package.json"), JSON.stringify({ name: "omniq", version: "0.0.9", main: "index.js" }));
    writeFileSync(join(dir, "node_modules/omniq/index.js"), "");
    const { code, lines } = await said(["init", join(dir, "app"), "--json"]);
    expect(code).toBe(0);
    expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([{ installed: true, kept: [] }]);
    expect(JSON.parse(readFileSync(join(dir, "app/package.json"), "utf8"))).not.toHaveProperty("dependencies");
  });

  test("a folder inside a clone does not find the clone", async () => {
    writeFileSync(join(dir, "package.json"), JSON.stringify({ name: "omniq", exports: "./index.js" }));
    writeFileSync(join(dir, "index.js"), "");
    const { lines } = await said(["init", join(dir, "app"), "--no-install", "--json"]);
    expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([{ installed: false }]);
  });

  test("a file is no folder", async () => {
    writeFileSync(join(dir, "file"), "");
    expect((await said(["init", join(dir, "file"), "--no-install"])).lines[0]).toContain("INIT_REFUSED");
  });
});
