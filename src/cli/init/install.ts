/** Brings omniq into a project: from the registry where this one came from there, else from the clone that this one is. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, dirname, join } from "node:path";
import { OmniQError } from "../../core/errors.ts";
import { isInstalled, OWN_ROOT, ownVersion } from "../own-package.ts";
import type { Terminal } from "../terminal.ts";

/** What package.json is to say. @throws OmniQError `INIT_REFUSED` in a clone that was not built. */
export function dependencySpec(root = OWN_ROOT): string {
  if (isInstalled(root)) return `^${ownVersion()}`;
  if (existsSync(join(root, "dist", "index.js"))) return `file:${root}`;
  throw new OmniQError("INIT_REFUSED", `Expected the clone at ${root} to be built: run npm run build there, or give --no-install`);
}

/** Whether a program in the folder finds omniq already. */
export function resolvesIn(folder: string): boolean {
  try {
    createRequire(join(folder, "package.json")).resolve("omniq");
    return true;
  } catch {
    return false;
  }
}

/** @throws OmniQError `INSTALL_FAILED`: the files are there all the same. */
export async function install(folder: string, spec: string, { env }: Terminal): Promise<void> {
  const what = spec.startsWith("file:") ? spec : `omniq@${spec}`;
  // npm must run on this very Node: the machine's own may be too old.
  const path = [dirname(process.execPath), env["PATH"] ?? ""].join(delimiter);
  const child = spawn("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error", what], {
    cwd: folder,
    env: { ...env, PATH: path },
    stdio: ["ignore", 2, 2],
    // npm is a script for the shell there.
    shell: process.platform === "win32",
  });
  const code = await new Promise<number | string>((resolve) => {
    child.on("error", ({ message }) => {
      resolve(message);
    });
    child.on("exit", (exitCode, signal) => {
      resolve(exitCode ?? signal ?? "unknown");
    });
  });
  if (code !== 0)
    throw new OmniQError(
      "INSTALL_FAILED",
      `Expected npm install ${what} to succeed, got ${code}. The files of the project are there: install it yourself in ${folder}`,
    );
}
