/**
 * Makes dist of src from nothing: the types as they are, the code in few files. Node looks for, reads and links each module by itself: as
 * 138 files the door took twice as long to import.
 */
import { execFileSync } from "node:child_process";
import { chmodSync, rmSync } from "node:fs";
import { rolldown } from "rolldown";

/** What is imported by name, and what runs by itself (`entry` in src/entry.ts). */
const ENTRIES = [
  "index",
  "sqlite",
  "postgres",
  "testing/index",
  "cli/bin",
  "thread",
  "backends/sqlite/backup-thread",
  "backends/sqlite/deputy-thread",
  "cli/dev/child",
  "cli/dev/guard-thread",
  "cli/doctor/examine-thread",
];

rmSync("dist", { recursive: true, force: true });
execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json", "--emitDeclarationOnly"], {
  stdio: "inherit",
});
const bundle = await rolldown({
  platform: "node",
  input: Object.fromEntries(ENTRIES.map((name) => [name, `src/${name}.ts`])),
  external: [/^[^./]/],
});
// Chunks lie in the root: src/entry.ts looks from there.
await bundle.write({ dir: "dist", format: "esm", entryFileNames: "[name].js", chunkFileNames: "[name]-[hash].js" });
await bundle.close();
chmodSync("dist/cli/bin.js", 0o755);
