/** Brings omniq into a project: from the registry where this one came from there, else from the clone that this one is. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, delimiter, dirname, join } from "node:path";
import { OmniQError } from "../../core/errors.ts";
import { isInstalled, OWN_ROOT, ownVersion } from "../own-package.ts";
import type { Terminal } from "../terminal.ts";
import { plain, plainLines } from "../text.ts";

/** What package.json is to say. @throws OmniQError `INIT_REFUSED` in a clone that was not built. */
export function dependencySpec(root = OWN_ROOT): string {
  if (isInstalled(root)) return `^${ownVersion()}`;
  if (existsSync(join(root, "dist", "index.js"))) return `file:${root}`;
  throw new OmniQError("INIT_REFUSED", `Expected the clone at ${root} to be built: run npm run build there, or give --no-install`);
}

/** Whether a program in the folder finds omniq already. (A clone finds itself, but not once the folder has a package.json of its own.) */
export function resolvesIn(folder: string): boolean {
  const places = createRequire(join(folder, "package.json")).resolve.paths("omniq") ?? [];
  return places.some((place) => basename(place) === "node_modules" && existsSync(join(place, "omniq", "package.json")));
}

/** @throws OmniQError `INSTALL_FAILED`: the files are there all the same. */
export async function install(folder: string, spec: string, terminal: Terminal): Promise<void> {
  const first = await npm(folder, spec.startsWith("file:") ? spec : `omniq@${spec}`, terminal);
  if (first.succeeded) return;
  // No network, or a version that no registry has: this very copy has all that it needs beside it.
  if (isInstalled() && (await npm(folder, `file:${OWN_ROOT}`, terminal)).succeeded) {
    terminal.note(`No registry gave omniq@${spec}: the project uses the copy in ${plain(OWN_ROOT)}. Later: npm install omniq`);
    return;
  }
  for (const line of plainLines(first.said)) terminal.note(line);
  throw new OmniQError(
    "INSTALL_FAILED",
    `Expected npm to install omniq in ${folder}, but it failed. The files of the project are there: npm install does it again`,
  );
}

interface Ended {
  readonly succeeded: boolean;
  readonly said: string;
}

function npm(folder: string, what: string, { env }: Terminal): Promise<Ended> {
  // On this very Node: the machine's own may be too old.
  const path = [dirname(process.execPath), env["PATH"] ?? ""].join(delimiter);
  const args = ["install", "--no-audit", "--no-fund", "--loglevel=error", "--fetch-retries=1", "--fetch-retry-mintimeout=1000", what];
  const child = spawn("npm", args, {
    cwd: folder,
    env: { ...env, PATH: path },
    stdio: ["ignore", "pipe", "pipe"],
    // npm is a script for the shell there.
    shell: process.platform === "win32",
  });
  const said: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => said.push(chunk));
  return new Promise((resolve) => {
    child.on("error", ({ message }) => {
      resolve({ succeeded: false, said: message });
    });
    child.on("close", (code) => {
      resolve({ succeeded: code === 0, said: Buffer.concat(said).toString().trimEnd() });
    });
  });
}
