/** The documentation is true: its links lead somewhere, its examples compile and run, its promises have their tests, its commands exist. */
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join, posix, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cliPage } from "../../scripts/docs-cli.ts";
import { withTable } from "../../scripts/docs-config.ts";
import { COMMANDS, optionsOf } from "../../src/cli/commands.ts";
import { loadConfig } from "../../src/config/load.ts";
import { listOptions, variablesOf } from "../../src/config/options.ts";
import { blocksOf, fileOf, isProgram, linksOf, marksOf, anchorsOf, sectionsOf } from "../fixtures/markdown.ts";
import type { Block } from "../fixtures/markdown.ts";

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, "../..");
const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");

const DOCS = readdirSync(join(ROOT, "docs"), { recursive: true, encoding: "utf8" }).map((name) => `docs/${name.replaceAll("\\", "/")}`);
const PAGES = ["README.md", "SECURITY.md", ...DOCS].filter((path) => path.endsWith(".md"));
const pages = PAGES.map((path) => ({ path, text: read(path) }));
const blocks = pages.flatMap(({ path, text }) => blocksOf(path, text));
const code = blocks.filter(({ language }) => ["ts", "js"].includes(language));
const runnable = code.filter(({ info }) => info === "run");

describe("links", () => {
  const links = pages.flatMap(({ path, text }) => linksOf(text).map((target) => [path, target] as const));

  test("there are some", () => {
    expect(links.length).toBeGreaterThan(20);
  });

  test.each(links)("%s → %s", (path, target) => {
    const [file = "", anchor] = target.split("#");
    const to = file === "" ? path : posix.join(posix.dirname(path), file);
    expect(existsSync(join(ROOT, to)), `${to} is there`).toBe(true);
    if (anchor !== undefined) expect(anchorsOf(read(to))).toContain(anchor);
  });

  test("every page is in the index", () => {
    const listed = linksOf(read("docs/README.md"));
    expect(PAGES.filter((path) => path.startsWith("docs/") && path !== "docs/README.md" && !listed.includes(path.slice(5)))).toEqual([]);
  });
});

describe("files that pages name", () => {
  const named = new Set(
    pages.flatMap(({ text }) => [...text.matchAll(/`((?:src|tests|scripts|bench)\/[\w./-]+)`/g)].map(([, file = ""]) => file)),
  );

  test("there are some", () => {
    expect(named.size).toBeGreaterThan(20);
  });

  test.each([...named])("%s is there", (file) => {
    expect(existsSync(join(ROOT, file))).toBe(true);
  });
});

describe("promises", () => {
  const marks = pages.flatMap(({ text }) => marksOf(text));

  test.each([
    ["docs/why.md", (): boolean => true],
    ["SECURITY.md", (heading: string): boolean => heading === "What OmniQ guarantees"],
  ])("there are some in %s, and each has its test", (path, promises) => {
    const lines = sectionsOf(read(path)).flatMap(({ heading, text }) => (promises(heading) ? text.split("\n") : []));
    const promised = lines.filter((line) => line.startsWith("- **"));
    expect(promised.length).toBeGreaterThan(15);
    expect(promised.filter((line) => marksOf(line).length === 0)).toEqual([]);
  });

  test.each(marks)("%s has a test called %s", (file, title) => {
    expect(existsSync(join(ROOT, file)), `${file} is there`).toBe(true);
    expect(read(file)).toContain(JSON.stringify(title));
  });
});

describe("examples", { tags: ["slow"] }, () => {
  let folder = "";
  beforeAll(() => {
    mkdirSync(join(ROOT, ".tmp"), { recursive: true });
    folder = mkdtempSync(join(ROOT, ".tmp", "docs-"));
    // Named like the package, so that "omniq" is found in the sources themselves: by the compiler and by Node.
    symlinkSync(join(ROOT, "src"), join(folder, "src"), "junction");
    const doors = {
      ".": "./src/index.ts",
      "./sqlite": "./src/sqlite.ts",
      "./postgres": "./src/postgres.ts",
      "./testing": "./src/testing/index.ts",
    };
    writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "omniq", type: "module", exports: doors }));
    const unused = { noUnusedLocals: false, noUnusedParameters: false };
    writeFileSync(
      join(folder, "tsconfig.json"),
      JSON.stringify({ extends: "../../tsconfig.json", compilerOptions: unused, include: [], files: code.map((block) => fileOf(block)) }),
    );
    for (const block of code) {
      const file = join(folder, fileOf(block));
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, isProgram(block) ? withTasksExported(block.text) : aroundFragment(block));
    }
  });
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  test("there are some", () => {
    expect(code.filter((block) => isProgram(block)).length).toBeGreaterThan(10);
    expect(runnable.length).toBeGreaterThan(5);
  });

  test("parse, and the whole programs compile", async () => {
    const tsc = join(ROOT, "node_modules", "typescript", "bin", "tsc");
    const { stdout } = await run(process.execPath, [tsc, "-p", folder, "--pretty", "false"], { cwd: folder }).catch(
      (error: unknown) => error as { stdout: string },
    );
    expect(stdout.split("\n").filter((line) => line !== "" && !OF_THE_READER.test(line))).toEqual([]);
  }, 60_000);

  test.each(runnable.map((block) => [fileOf(block), block] as const))(
    "%s runs, and prints what the page says",
    async (file, block) => {
      const cwd = mkdtempSync(join(folder, "cwd-"));
      const { stdout, stderr } = await run(process.execPath, ["--disable-warning=ExperimentalWarning", join(folder, file)], {
        cwd,
        timeout: 20_000,
      });
      expect(stderr).toBe("");
      expect(stdout).toBe(outputOf(block));
    },
    30_000,
  );
});

/** What a fragment may be told: it uses names that the reader has and nobody declares, and a task that is such a name takes no arguments. */
const OF_THE_READER = /fragment-\d+\.ts.*: error TS(?:2304|2552|7006|18004|2345: .* to parameter of type 'undefined'\.$)/;

/** The tasks that a program defines. */
function tasksOf(text: string): readonly string[] {
  return [...text.matchAll(/^(?:export )?const (\w+) = defineTask\b/gm)].map(([, name = ""]) => name);
}

/** Fragments of its page are held to the types of its tasks, whether it exports them or not. */
function withTasksExported(text: string): string {
  const hidden = tasksOf(text).filter((name) => !text.includes(`export const ${name} `));
  return hidden.length === 0 ? text : `${text}export { ${hidden.join(", ")} };\n`;
}

/** A program around a fragment, which knows the library, an `omniq`, and the tasks of the programs before it on its page. It may declare its own. */
function aroundFragment({ page, line, text }: Block): string {
  const tasks = new Map<string, string>();
  for (const block of code)
    if (block.page === page && block.line < line && isProgram(block))
      for (const name of tasksOf(block.text)) tasks.set(name, posix.basename(fileOf(block)));
  const known = [...tasks].map(([name, file]) => `declare const ${name}: typeof import("./${file}").${name};\n`).join("");
  const lines = text.split("\n").map((each) => each.replace(/^export /, ""));
  const prelude = `import { FatalError, OmniQ, defineTask } from "omniq";\ndeclare const omniq: OmniQ;\n${known}`;
  return `${prelude}{\n${lines.filter((each) => !/^import .* from "omniq";$/.test(each)).join("\n")}}\n`;
}

/** What stands in the `text` block right behind a program; without one it prints nothing. */
function outputOf(block: Block): string {
  const next = blocks[blocks.indexOf(block) + 1];
  return next?.page === block.page && next.language === "text" && next.line === block.end + 2 ? next.text : "";
}

describe("commands", () => {
  const shell = [
    ...blocks.filter(({ language }) => ["sh", "text", ""].includes(language)).map(({ text }) => text),
    ...pages.flatMap(({ text }) => [...text.matchAll(/`([^`\n]+)`/g)].map(([, span = ""]) => span)),
  ].flatMap((text) => text.split("\n"));
  const found = (pattern: RegExp): readonly string[] => [
    ...new Set(shell.flatMap((line) => [...line.matchAll(pattern)].map(([, hit = ""]) => hit))),
  ];

  test.each(found(/\bnpm run ([\w:-]+)/g))("npm run %s is a script", (name) => {
    expect(JSON.parse(read("package.json"))).toHaveProperty(["scripts", name]);
  });

  test.each(found(/\bnode ([\w/.-]+\/[\w/.-]+)/g))("node %s is there", (file) => {
    expect(existsSync(join(ROOT, file))).toBe(true);
  });

  const asked = found(/^(?:\$ )?(?:npx )?omniq ([a-z].*)$/g);
  test("there are some", () => {
    expect(asked.length).toBeGreaterThan(3);
  });

  test.each(asked)("omniq %s is a command, with its options", (line) => {
    const spec = COMMANDS.find(({ name }) => line === name || line.startsWith(`${name} `));
    expect(spec, line).toBeDefined();
    const known = spec === undefined ? [] : optionsOf(spec).flatMap(({ flags }) => flags.split(/[ ,]+/));
    // What stands behind it is another command's, or a remark.
    const [own = ""] = line.split(/ [|#;>&]/);
    expect(["-h", "--help", ...known]).toEqual(expect.arrayContaining([...own.matchAll(/(?<=\s)--?[a-z][\w-]*/g)].map(([flag]) => flag)));
  });
});

describe("the command line", () => {
  test("has the page that the command table makes: node scripts/docs-cli.ts", () => {
    expect(read("docs/reference/cli.md")).toBe(cliPage());
  });
});

describe("the configuration", () => {
  const page = read("docs/configuration.md");

  test("has the table of options that the code has", () => {
    expect(withTable(page)).toBe(page);
  });

  test.each(blocks.filter(({ language }) => language === "yaml").map(({ page: path, line, text }) => [`${path}:${line}`, text]))(
    "the file at %s is one",
    async (file, text) => {
      const { config } = await loadConfig({
        file,
        readFile: () => Promise.resolve(Buffer.from(text)),
        load: () => Promise.reject(new Error("no module")),
      });
      expect(config.projectName).toBe("shop");
    },
  );

  test.each(listOptions().map((listed) => [listed.path, variablesOf(listed)] as const))("names %s", (path, variables) => {
    for (const name of [path, ...variables]) expect(page).toContain(`\`${name}\``);
  });
});
