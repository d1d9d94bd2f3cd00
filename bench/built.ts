/** The package and the bench compiled, as users load it: other processes must not pay for the compiler in Node. Once a run. */
import { spawnSync } from "node:child_process";
import { existsSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ROOT } from "./scratch.ts";
import type { Scratch } from "./scratch.ts";

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
    // The peers lie there, where they are installed.
    if (existsSync(join(ROOT, "bench/node_modules"))) symlinkSync(join(ROOT, "bench/node_modules"), join(out, "bench/node_modules"));
  }
  return pathToFileURL(join(out, name)).href;
}
