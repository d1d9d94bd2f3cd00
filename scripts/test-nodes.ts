/** Runs the suite on every supported line of Node: 22 from the dependencies, 24 this very one, 26 installed beside for the occasion. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";

const folder = resolve(".tmp/node26");
const node26 = resolve(folder, "node_modules/node/bin/node");
if (!existsSync(node26)) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(resolve(folder, "package.json"), JSON.stringify({ private: true, allowScripts: { node: true } }));
  spawnSync("npm", ["install", "--no-save", "node@26"], { cwd: folder, stdio: "inherit" });
}

let failed = 0;
for (const node of [resolve("node_modules/node22/bin/node"), process.execPath, node26]) {
  const version = spawnSync(node, ["--version"], { encoding: "utf8" }).stdout.trim();
  console.log(`\n== Node ${version}`);
  const { status } = spawnSync(node, ["node_modules/vitest/vitest.mjs", "run", ...process.argv.slice(2)], { stdio: "inherit" });
  if (status !== 0) failed++;
}
process.exitCode = failed > 0 ? 1 : 0;
