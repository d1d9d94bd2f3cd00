/** This package itself: where it lies, and its version. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { entry } from "../entry.ts";

/** `src` and `dist` lie equally deep. */
export const OWN_ROOT = resolve(dirname(fileURLToPath(entry("index"))), "..");

/** Whether somebody installed it; else it is a clone of the repository. */
export function isInstalled(root = OWN_ROOT): boolean {
  return root.split(sep).includes("node_modules");
}

export function ownVersion(): string {
  return versionOf(join(OWN_ROOT, "package.json")) ?? "unknown";
}

/** The version of omniq that a program in the folder imports, if any. */
export function versionIn(folder: string): string | undefined {
  try {
    return versionOf(createRequire(join(folder, "package.json")).resolve("omniq/package.json"));
  } catch {
    return undefined;
  }
}

function versionOf(file: string): string | undefined {
  const manifest: unknown = JSON.parse(readFileSync(file, "utf8"));
  const isKnown = typeof manifest === "object" && manifest !== null && "version" in manifest && typeof manifest.version === "string";
  return isKnown ? String(manifest.version) : undefined;
}
