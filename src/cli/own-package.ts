/** This package itself: where it lies, and its version. */
import { readFileSync } from "node:fs";
import { dirname, join, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";

/** `src/cli` and `dist/cli` lie equally deep. */
export const OWN_ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "../..");

/** Whether somebody installed it; else it is a clone of the repository. */
export function isInstalled(root = OWN_ROOT): boolean {
  return root.split(sep).includes("node_modules");
}

export function ownVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(join(OWN_ROOT, "package.json"), "utf8"));
  const isKnown = typeof manifest === "object" && manifest !== null && "version" in manifest && typeof manifest.version === "string";
  return isKnown ? String(manifest.version) : "unknown";
}
