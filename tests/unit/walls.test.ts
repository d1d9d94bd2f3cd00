/** The walls of the house: who may import whom, read from the import statements; the clock's lint rule; what importing the door does. */
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, posix, relative, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const SRC = join(ROOT, "src");

interface Wall {
  /** What may be imported: a folder (ending in `/`), a file under src, or a package (`node:*` is all of Node). */
  readonly may: readonly string[];
}
/** The first entry whose key is a prefix of the file's path holds. */
const WALLS: readonly (readonly [where: string, wall: Wall])[] = [
  ["core/cron.ts", { may: ["core/", "croner"] }],
  ["core/", { may: ["core/"] }],
  // The table of options belongs to config/, and the classes over it check what they are given against it.
  ["models/config.ts", { may: ["core/", "config/options.ts", "config/check.ts"] }],
  ["models/", { may: ["core/", "models/", "host.ts"] }],
  ["components/", { may: ["core/", "models/", "components/"] }],
  ["config/", { may: ["core/", "config/", "yaml"] }],
  ["runtime/", { may: ["core/", "models/", "components/", "runtime/", "@standard-schema/spec"] }],
  ["backends/shared/", { may: ["core/", "components/", "backends/shared/", "host.ts", "node:*"] }],
  ["backends/sqlite/", { may: ["core/", "components/", "backends/shared/", "backends/sqlite/", "entry.ts", "host.ts", "node:*"] }],
  ["backends/postgres/", { may: ["core/", "components/", "backends/shared/", "backends/postgres/", "host.ts", "node:*", "pg"] }],
  ["testing/", { may: ["core/", "models/", "components/", "runtime/", "testing/", "host.ts", "omniq.ts"] }],
];

function wallOf(file: string): Wall | undefined {
  return WALLS.find(([where]) => file.startsWith(where))?.[1];
}

interface Import {
  readonly specifier: string;
  readonly kind: "static" | "type" | "dynamic";
}

/** Without its comments. */
function codeOf(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");
}

/** The import statements of a source text. */
function importsOf(text: string): readonly Import[] {
  const code = codeOf(text);
  const statements = [...code.matchAll(/^(?:import|export)\b(?<type> type\b)?[^;"=]*?(?:\bfrom\s*)?"(?<specifier>[^"]+)"/gm)];
  const calls = [...code.matchAll(/\b(?:import|require|getBuiltinModule)\(\s*["'`](?<specifier>[^"'`]+)["'`]/g)];
  return [
    ...statements
      .filter(({ 0: statement }) => /\bfrom\s*"|^import\s*"/.test(statement))
      .map(({ groups }) => ({ specifier: groups?.["specifier"] ?? "", kind: groups?.["type"] === undefined ? "static" : "type" }) as const),
    ...calls.map(({ groups }) => ({ specifier: groups?.["specifier"] ?? "", kind: "dynamic" }) as const),
  ];
}

/** What a specifier names: a path under src, or a package. */
function targetOf(file: string, specifier: string): string {
  if (!specifier.startsWith(".")) return specifier;
  return posix.normalize(posix.join(posix.dirname(file), specifier));
}

function breachesOf(file: string, text: string): readonly string[] {
  const wall = wallOf(file);
  if (wall === undefined) return [];
  return importsOf(text)
    .map(({ specifier }) => targetOf(file, specifier))
    .filter((target) => !wall.may.some((may) => target === may || (/\/$|\*$/.test(may) && target.startsWith(may.replace(/\*$/, "")))))
    .map((target) => `Expected src/${file} to import only ${wall.may.join(", ")}, got ${target}`);
}

const files = readdirSync(SRC, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts"))
  .map((file) => file.split(sep).join("/"))
  .toSorted();
const read = (file: string): string => readFileSync(join(SRC, file), "utf8");

describe("walls", () => {
  test("every file keeps them", () => {
    expect(files).toContain("core/task.ts");
    expect(files.flatMap((file) => breachesOf(file, read(file)))).toEqual([]);
  });

  test("every file lies in a room, or is a door or the composition root", () => {
    const doors = /^(?:index|node-version|sqlite|postgres|omniq|config-setup|entry|host|worker|thread|sync-thread)\.ts$/;
    const rooms = /^(?:core|models|components|config|runtime|backends\/(?:shared|sqlite|postgres)|cli|testing)\//;
    expect(files.filter((file) => !doors.test(file) && !rooms.test(file))).toEqual([]);
  });

  test.each([
    ["core/task.ts", 'import { x } from "../models/task.ts";', "core/", "models/task.ts"],
    ["core/task.ts", 'import { Cron } from "croner";', "core/", "croner"],
    ["core/task.ts", 'import type { A } from "node:fs";', "core/", "node:fs"],
    ["core/task.ts", 'export * from "../host.ts";', "core/", "host.ts"],
    ["core/task.ts", 'import {\n  a,\n  b,\n} from "../omniq.ts";', "core/", "omniq.ts"],
    ["core/task.ts", 'import "../index.ts";', "core/", "index.ts"],
    ["core/task.ts", 'const fs = process.getBuiltinModule("node:fs");', "core/", "node:fs"],
    ["models/task.ts", 'const b = await import("../backends/sqlite/backend.ts");', "core/, models/, host.ts", "backends/sqlite/backend.ts"],
    ["components/queue.ts", 'import { x } from "../runtime/worker.ts";', "core/, models/, components/", "runtime/worker.ts"],
    ["runtime/worker.ts", 'import { x } from "../host.ts";', "core/, models/, components/, runtime/, @standard-schema/spec", "host.ts"],
    [
      "backends/sqlite/a.ts",
      'import { x } from "../postgres/b.ts";',
      "core/, components/, backends/shared/, backends/sqlite/, entry.ts, host.ts, node:*",
      "backends/postgres/b.ts",
    ],
  ])("%s is told of %s", (file, text, may, got) => {
    expect(breachesOf(file, text)).toEqual([`Expected src/${file} to import only ${may}, got ${got}`]);
  });

  test("comments and plain text are not imports", () => {
    expect(importsOf('/** import x from "y"; */\n// import "z";\nexport const a = "b";\nexport const c = `from "d"`;\n')).toEqual([]);
  });

  test("code has its name in the source, but for the modules that whoever runs it names; none is made of text", () => {
    // A call of import() with anything but a word in quotes, and every other way to code.
    const ways = /\bimport\((?!\s*")|\beval\(|\bFunction\(|\bsetTimeout\(\s*["'`]|node:vm/g;
    const found = files.flatMap((file) => [...codeOf(read(file)).matchAll(ways)].map(([way]) => `${file}: ${way}`));
    expect(found).toEqual(["host.ts: import("]);
    // Who asks for it: the modules of a worker, and a configuration that is a program.
    const asking = files.filter((file) => /\bloadModule(?:At)?\b/.test(codeOf(read(file))) && file !== "host.ts");
    expect(asking).toEqual(["cli/configured.ts", "cli/worker/modules.ts", "omniq.ts", "worker.ts"]);
  });

  test("processes are started by the command line alone: a worker that starts again, and npm where a project is made", () => {
    const starting = files.filter((file) => importsOf(read(file)).some(({ specifier }) => specifier === "node:child_process"));
    expect(starting).toEqual(["cli/dev/supervisor.ts", "cli/init/install.ts"]);
  });

  test("nothing listens, and nothing but the driver of PostgreSQL connects", () => {
    const wires = /^node:(?:net|http|https|http2|dgram|tls|inspector|cluster)$/;
    expect(files.flatMap((file) => importsOf(read(file)).filter(({ specifier }) => wires.test(specifier)))).toEqual([]);
    expect(files.filter((file) => /\bfetch\(|\bWebSocket\b/.test(codeOf(read(file))))).toEqual([]);
  });

  test("the heavy packages are only ever imported lazily", () => {
    const heavy = /^(?:yaml|pg|better-sqlite3|commander|cli-table3|cli-progress)$/;
    const eager = files
      .filter((file) => !file.startsWith("cli/"))
      .flatMap((file) =>
        importsOf(read(file))
          .filter(({ specifier, kind }) => kind === "static" && heavy.test(specifier))
          .map(({ specifier }) => `${file}: ${specifier}`),
      );
    expect(eager).toEqual([]);
  });
});

/** All files that are loaded when one is, followed through static imports. */
function loadedWith(file: string, seen = new Set<string>()): ReadonlySet<string> {
  if (seen.has(file)) return seen;
  seen.add(file);
  if (!existsSync(join(SRC, file))) return seen;
  for (const { specifier, kind } of importsOf(read(file))) if (kind === "static") loadedWith(targetOf(file, specifier), seen);
  return seen;
}

describe.skipIf(!existsSync(join(SRC, "index.ts")))("importing the door", () => {
  test("loads no backend, no command line, no driver", () => {
    const wrong = [...loadedWith("index.ts")].filter((file) =>
      /^(?:backends|cli|testing)\/|^node:(?:sqlite|worker_threads|net)$/.test(file),
    );
    expect(wrong).toEqual([]);
  });

  test("opens nothing, starts nothing, listens to no signal", async () => {
    const script = `
      const before = JSON.stringify([process.getActiveResourcesInfo(), process.eventNames().map(String).toSorted()]);
      await import(${JSON.stringify(pathToFileURL(join(SRC, "index.ts")).href)});
      const after = JSON.stringify([process.getActiveResourcesInfo(), process.eventNames().map(String).toSorted()]);
      console.log(JSON.stringify({ same: before === after ? true : [before, after], sqlite: process.moduleLoadList.includes("NativeModule sqlite") }));`;
    const cwd = mkdtempSync(join(tmpdir(), "omniq-door-"));
    try {
      const { stdout } = await run(process.execPath, ["--input-type=module", "-e", script], { cwd });
      expect(JSON.parse(stdout)).toEqual({ same: true, sqlite: false });
      expect(readdirSync(cwd)).toEqual([]);
    } finally {
      rmSync(cwd, { recursive: true });
    }
  });
});

describe("the lint rule omniq/no-ambient", () => {
  let dir = "";
  beforeAll(() => {
    // The project's own configuration, with the plugin found from elsewhere: so its overrides are tested too.
    dir = mkdtempSync(join(tmpdir(), "omniq-lint-"));
    const config = readFileSync(join(ROOT, ".oxlintrc.json"), "utf8").replace("./scripts", `${ROOT.split(sep).join("/")}scripts`);
    writeFileSync(join(dir, ".oxlintrc.json"), config);
  });
  afterAll(() => {
    rmSync(dir, { recursive: true });
  });

  async function lint(file: string, lines: readonly string[]): Promise<readonly string[]> {
    const path = join(dir, "src", file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, lines.join("\n"));
    const oxlint = join(ROOT, "node_modules/oxlint/bin/oxlint");
    const args = [oxlint, "--format=unix", relative(dir, path)];
    const output = await run(process.execPath, args, { cwd: dir }).then(
      ({ stdout }) => stdout,
      (error: unknown) => (error instanceof Error && "stdout" in error ? String(error.stdout) : ""),
    );
    rmSync(path);
    return output.split("\n").filter((line) => line.includes("no-ambient"));
  }

  const wrong = [
    "export const a = Date.now();",
    "export const b = new Date();",
    "export const c = Date();",
    "export const { now } = Date;",
    "export const d = performance.now();",
    "export const e = Math.random();",
    "export const { random } = Math;",
    "export const f = setTimeout(() => {}, 1);",
    "export const g = setInterval(() => {}, 1);",
    "export const h = setImmediate(() => {});",
    "export const i = process.pid;",
    "export const j = globalThis.process;",
    "export const k = crypto.randomUUID();",
  ];

  test.each(["core", "models", "components", "runtime", "config"])("holds in src/%s", async (room) => {
    const lines = await lint(`${room}/a.ts`, wrong);
    expect(lines.map((line) => Number(line.split(":")[1])).toSorted((a, b) => a - b)).toEqual(wrong.map((_, i) => i + 1));
    expect(lines.join("\n")).toContain("Expected the Clock's now() to be used here, got `Date.now`");
  });

  test("lets pass what reads no clock, and the rooms that make one", async () => {
    const fine = [
      "export const a = new Date(5);",
      "export const b = (x: unknown): x is Date => x instanceof Date;",
      "export const c = Date.UTC(2026, 1);",
      "export const d = Math.max(1, 2);",
      "export const e = (process: { x: number }): number => process.x;",
      "queueMicrotask(() => {});",
      "export type F = Date;",
    ];
    expect(await lint("core/a.ts", fine)).toEqual([]);
    expect(await lint("host.ts", wrong.slice(0, 1))).toEqual([]);
    expect(await lint("backends/sqlite/a.ts", wrong.slice(0, 1))).toEqual([]);
  });
});
