/**
 * The code of src in few files. Node looks for, reads and links each module by itself: as 138 files the door took twice as long to import.
 */
import { chmodSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

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

/** @param dir beside a package.json, as `dist` is. */
export async function bundleInto(dir: string): Promise<void> {
  const bundle = await rolldown({
    cwd: ROOT,
    platform: "node",
    input: Object.fromEntries(ENTRIES.map((name) => [name, `src/${name}.ts`])),
    external: [/^[^./]/],
  });
  // Chunks lie in the root: src/entry.ts looks from there.
  await bundle.write({ dir, format: "esm", entryFileNames: "[name].js", chunkFileNames: "[name]-[hash].js" });
  await bundle.close();
  chmodSync(`${dir}/cli/bin.js`, 0o755);
}
