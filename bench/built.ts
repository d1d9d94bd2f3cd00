/** The package as it is shipped, and the bench compiled: other processes must not pay for the compiler in Node. Once a run. */
import { spawnSync } from "node:child_process";
import { existsSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ROOT } from "./scratch.ts";
import type { Scratch } from "./scratch.ts";

const DOORS = ["index", "sqlite", "postgres"] as const;
let isPackaged = false;

/** The URL of a door of the package, made as it is shipped. */
export function packaged(door: (typeof DOORS)[number] = "index"): string {
  if (!isPackaged) spawnSync(process.execPath, ["scripts/build.ts"], { cwd: ROOT, stdio: "inherit" });
  isPackaged = true;
  return pathToFileURL(join(ROOT, `dist/${door}.js`)).href;
}

/** The URL of a compiled module. @param name such as `src/index.js`. */
export function built({ folder }: Scratch, name: string): string {
  const out = join(folder, "dist");
  if (!existsSync(out)) {
    const config = join(folder, "tsconfig.json");
    const include = [join(ROOT, "src"), join(ROOT, "bench")];
    const extended = { extends: join(ROOT, "tsconfig.build.json"), include, exclude: [join(ROOT, "bench/node_modules")] };
    writeFileSync(config, JSON.stringify({ ...extended, compilerOptions: { rootDir: ROOT, outDir: out, declaration: false } }));
    const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
    const { stdout } = spawnSync(process.execPath, [tsc, "-p", config], { encoding: "utf8" });
    if (!existsSync(out)) throw new Error(`Expected the compiler to write ${out}, got ${stdout}`);
    // What is measured is what is shipped.
    for (const name of DOORS) writeFileSync(join(out, `src/${name}.js`), `export * from ${JSON.stringify(packaged(name))};\n`);
    // The peers lie there, where they are installed.
    if (existsSync(join(ROOT, "bench/node_modules"))) symlinkSync(join(ROOT, "bench/node_modules"), join(out, "bench/node_modules"));
  }
  return pathToFileURL(join(out, name)).href;
}
