import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, "../..");
const MODULES = join(ROOT, "node_modules");
const NODES = { 22: join(MODULES, "node22", "bin", "node"), 24: process.execPath } as const;

/** The README's first example, as it stands. */
const example = /```js\n([\s\S]*?)```/.exec(readFileSync(join(ROOT, "README.md"), "utf8"))?.[1] ?? "";

let folder = "";
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "omniq-package-"));
  await run(process.execPath, ["scripts/build.ts"], { cwd: ROOT });
  await run("npm", ["pack", "--silent", "--ignore-scripts", "--pack-destination", folder], { cwd: ROOT });
  const tarball = readdirSync(folder).find((name) => name.endsWith(".tgz")) ?? "none";
  const installed = join(folder, "node_modules", "omniq");
  mkdirSync(installed, { recursive: true });
  await run("tar", ["-xzf", join(folder, tarball), "--strip-components=1", "-C", installed]);
  const { dependencies } = JSON.parse(readFileSync(join(installed, "package.json"), "utf8")) as { dependencies: Record<string, string> };
  // What an install would bring: the dependencies, and what the example itself asks for. No registry is needed.
  for (const name of [...Object.keys(dependencies), "zod", "string-width", "typescript", "@typescript"]) link(name);
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "somebody", private: true, type: "module" }));
  writeFileSync(join(folder, "hello.mjs"), example);
  writeFileSync(join(folder, "hello.ts"), example);
}, 120_000);
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

function link(name: string): void {
  const [from, to] = [join(MODULES, name), join(folder, "node_modules", name)];
  if (!existsSync(from) || existsSync(to)) return;
  mkdirSync(dirname(to), { recursive: true });
  symlinkSync(from, to);
}

describe("the packed tarball", { tags: ["slow"] }, () => {
  test.each([
    [22, "hello.mjs"],
    [22, "hello.ts"],
    [24, "hello.mjs"],
    [24, "hello.ts"],
  ] as const)("the README's first example runs on Node %i as %s", async (version, file) => {
    const { stdout, stderr } = await run(NODES[version], [file], { cwd: folder });
    expect(stdout).toBe("Hello, Ada!\n");
    // Node 22 warns of its own type stripping and of nothing of ours.
    expect(stderr.replaceAll(/^.*(?:Type Stripping|--trace-warnings).*\n/gm, "")).toBe("");
  });

  test("each Node is the one that it says", async () => {
    for (const [version, node] of Object.entries(NODES))
      expect((await run(node, ["--version"])).stdout).toMatch(new RegExp(`^v${version}\\.`));
  });

  test.each(["nodenext", "bundler"])("types arrive in an empty TypeScript project (%s)", async (resolution) => {
    const options = {
      strict: true,
      noEmit: true,
      target: "es2022",
      types: [],
      ...(resolution === "nodenext" ? { module: "nodenext" } : { module: "preserve", moduleResolution: "bundler" }),
    };
    const tests = `import { OmniQ, defineTask } from "omniq";
      import { SQLiteBackend } from "omniq/sqlite";
      import { testOmniQ } from "omniq/testing";
      const sum = defineTask({ name: "sum", handler: ({ a, b }: { a: number; b: number }) => a + b });
      const omniq = new OmniQ({ backend: new SQLiteBackend({ path: ":memory:" }) });
      const right: number = await (await omniq.enqueue(sum, { a: 1, b: 2 })).result();
      // @ts-expect-error: the result is a number
      const wrong: string = await (await omniq.enqueue(sum, { a: 1, b: 2 })).result();
      // @ts-expect-error: b is missing
      await omniq.enqueue(sum, { a: 1 });
      export { right, wrong, testOmniQ };`;
    writeFileSync(join(folder, "types.ts"), tests);
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions: options, files: ["hello.ts", "types.ts"] }));
    const { stdout } = await run(process.execPath, [join(MODULES, "typescript", "bin", "tsc"), "-p", folder], { cwd: folder }).catch(
      (error: unknown) => error as { stdout: string },
    );
    expect(stdout).toBe("");
  });

  test("CommonJS reaches it by require", async () => {
    const { stdout } = await run(NODES[22], ["-e", 'const { OmniQ } = require("omniq"); console.log(typeof OmniQ)'], { cwd: folder });
    expect(stdout).toBe("function\n");
  });

  test("the bin says its version, and needs no other file of the repository", async () => {
    const bin = join(folder, "node_modules", "omniq", "dist", "cli", "bin.js");
    const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string };
    expect((await run(NODES[22], [bin, "--version"], { cwd: folder })).stdout).toContain(version);
  });

  test("the JSON Schema of configuration files is where a file says it is, and where the bin prints it", async () => {
    const bin = join(folder, "node_modules", "omniq", "dist", "cli", "bin.js");
    const shipped = readFileSync(join(folder, "node_modules", "omniq", "schema.json"), "utf8");
    expect((await run(NODES[24], [bin, "config", "schema"], { cwd: folder })).stdout).toBe(shipped);
    const script = 'import schema from "omniq/schema.json" with { type: "json" }; console.log(schema.title)';
    expect((await run(NODES[24], ["--input-type=module", "-e", script], { cwd: folder })).stdout).toBe("The configuration of OmniQ\n");
  });

  test("a configuration in TypeScript is read by the bin", async () => {
    const bin = join(folder, "node_modules", "omniq", "dist", "cli", "bin.js");
    const config = 'import type { ConfigExport } from "omniq";\nexport default { projectName: "typed" } satisfies ConfigExport;\n';
    writeFileSync(join(folder, "omniq.config.ts"), config);
    for (const node of Object.values(NODES)) {
      const { stdout } = await run(node, [bin, "config", "explain", "projectName", "--json"], { cwd: folder });
      expect(JSON.parse(stdout)).toEqual({ option: "projectName", value: "typed", from: "omniq.config.ts", over: [] });
    }
    rmSync(join(folder, "omniq.config.ts"));
  });

  test("it holds what people need, and no sources, tests or tools", () => {
    const top = readdirSync(join(folder, "node_modules", "omniq"));
    expect(top.toSorted()).toEqual([
      "CHANGELOG.md",
      "LICENSE",
      "README.md",
      "SECURITY.md",
      "dist",
      "docs",
      "examples",
      "package.json",
      "schema.json",
    ]);
  });
});
