/** `omniq init`: a small project that works. */
import { existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { basename, join, relative, resolve } from "node:path";
import { CONFIG_FILES } from "../../config/find.ts";
import { OmniQError } from "../../core/errors.ts";
import { EXIT } from "../command.ts";
import type { Run } from "../command.ts";
import { filesOf, projectNameOf } from "../init/files.ts";
import { dependencySpec, install, resolvesIn } from "../init/install.ts";
import { manifestAt } from "../init/manifest.ts";
import type { Terminal } from "../terminal.ts";
import { plain } from "../text.ts";

export const run: Run = async (given, terminal) => {
  const folder = resolve(given.argument(0) ?? ".");
  const json = given.flag("json");
  // `--no-install` is the option `install`, turned off.
  const wanted = given.flag("install");
  const found = resolvesIn(folder);
  const spec = found ? undefined : dependencyOf(wanted);
  const { made, kept } = write(folder, wanted ? undefined : spec);
  if (!json) {
    terminal.line(`Made ${made.join(", ")} in ${plain(folder)}.`);
    if (kept.length > 0) terminal.line(`There already, and left as they are: ${kept.join(", ")}.`);
  }
  if (wanted && spec !== undefined) {
    if (!json) terminal.note("Installing omniq …");
    await install(folder, spec, terminal);
  }
  if (json) terminal.json({ folder, made, kept, installed: found || wanted });
  else sayNext(terminal, folder, found || wanted);
  return EXIT.fine;
};

/** Without an installation a clone need not be built. */
function dependencyOf(wanted: boolean): string {
  try {
    return dependencySpec();
  } catch (error) {
    if (wanted) throw error;
    return "*";
  }
}

interface Written {
  readonly made: readonly string[];
  readonly kept: readonly string[];
}

/** All of it or nothing. @throws OmniQError `INIT_REFUSED` where something would be overwritten. */
function write(folder: string, dependency: string | undefined): Written {
  if (existsSync(folder) && !statSync(folder).isDirectory())
    throw new OmniQError("INIT_REFUSED", `Expected ${folder} to be a folder, but it is a file; nothing was written`);
  const name = projectNameOf(basename(folder));
  const files = filesOf(name);
  const isThere = ({ name: file }: { readonly name: string }): boolean => existsSync(join(folder, file));
  // A configuration beside another would be none.
  const unwanted = new Set([...files.filter((file) => file.mayBeThere !== true).map((file) => file.name), ...CONFIG_FILES]);
  const inTheWay = [...unwanted].filter((file) => existsSync(join(folder, file)));
  if (inTheWay.length > 0)
    throw new OmniQError(
      "INIT_REFUSED",
      `Expected ${folder} to hold no ${inTheWay.join(", ")} yet, but it does; nothing was written. Name another folder: omniq init my-tasks`,
    );
  const manifest = join(folder, "package.json");
  const text = manifestAt(manifest, name, dependency);
  const kept = files.filter((file) => isThere(file)).map((file) => file.name);
  mkdirSync(folder, { recursive: true });
  const made = files.filter((file) => !kept.includes(file.name));
  for (const file of made) writeFileSync(join(folder, file.name), file.text, { flag: "wx" });
  const isNew = !existsSync(manifest);
  writeFileSync(manifest, text);
  return { made: [...made.map((file) => file.name), isNew ? "package.json" : "what package.json lacked"], kept };
}

function sayNext(terminal: Terminal, folder: string, isInstalled: boolean): void {
  const way = relative(process.cwd(), folder);
  const steps: readonly (readonly [command: string, about: string])[] = [
    ...(way === "" ? [] : [[`cd ${plain(way)}`, ""] as const]),
    ...(isInstalled ? [] : [["npm install", ""] as const]),
    ["npx omniq dev", "run a worker; it starts again when tasks.ts changes"],
    ["npm run enqueue", "in another terminal: enqueue a task, and wait for its result"],
    ["npx omniq stats", "see how it all stands; npx omniq --help shows the rest"],
  ];
  const width = Math.max(...steps.map(([command]) => command.length));
  terminal.line();
  terminal.line(terminal.paint("bold", "Next:"));
  for (const [command, about] of steps) terminal.line(`  ${terminal.paint("cyan", command.padEnd(width))}  ${about}`.trimEnd());
}
