/** What comes with an installation: few packages, ours each at one version, and nothing that runs by itself. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";

interface Locked {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly hasInstallScript?: boolean;
  readonly dev?: boolean;
  readonly devOptional?: boolean;
}
interface Manifest {
  readonly scripts: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}
const read = (file: string): unknown => JSON.parse(readFileSync(resolve(import.meta.dirname, "../..", file), "utf8"));
const manifest = read("package.json") as Manifest;
const { packages } = read("package-lock.json") as { readonly packages: Readonly<Record<string, Locked>> };
const installed = Object.entries(packages).filter(([path]) => path !== "");

test("installing runs no script, and brings these packages", () => {
  expect(Object.keys(manifest.scripts).filter((name) => /^(?:pre|post)?(?:install|prepare|uninstall)$/.test(name))).toEqual([]);
  const shipped = installed.filter(([, { dev, devOptional }]) => dev !== true && devOptional !== true);
  expect(shipped.filter(([, { hasInstallScript }]) => hasInstallScript === true)).toEqual([]);
  // One more is a decision: who else can change what runs in everybody's workers?
  expect(shipped.map(([path]) => path.replace("node_modules/", "")).toSorted()).toEqual([
    "@colors/colors",
    "@standard-schema/spec",
    "ansi-regex",
    "cli-progress",
    "cli-table3",
    "commander",
    "croner",
    "emoji-regex",
    "is-fullwidth-code-point",
    "string-width",
    "strip-ansi",
    "uuid",
    "yaml",
  ]);
  const versions = [...Object.values(manifest.dependencies), ...Object.values(manifest.devDependencies)];
  expect(versions.filter((version) => !/^(?:npm:[\w@/-]+@)?\d+\.\d+\.\d+$/.test(version))).toEqual([]);
});

test("the lock names what each package holds, and no place to take it from", () => {
  expect(installed.filter(([, { integrity }]) => integrity?.startsWith("sha512-") !== true)).toEqual([]);
  expect(installed.filter(([, { resolved }]) => resolved !== undefined)).toEqual([]);
});
