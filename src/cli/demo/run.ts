/** `omniq demo`: counts the words of many files, one task a file, and writes a report when all of them have ended. */
import { resolve } from "node:path";
import { OmniQ } from "../../index.ts";
import { EXIT, UsageError } from "../command.ts";
import type { Run } from "../command.ts";
import { Demo } from "./demo.ts";
import { findFiles, isFolder } from "./files.ts";
import type { Found } from "./files.ts";
import { Interrupted } from "../interrupt.ts";

const PROJECT = "demo";
/** More files are left out, so that the demo ends well within a minute. */
const MOST_FILES = 1_500;

export const run: Run = async (given, terminal) => {
  const named = given.argument(0);
  if (!given.flag("json"))
    terminal.line(terminal.paint("bold", "OmniQ demo: counts the words of many files, one task a file, and writes a report."));
  const folder = resolve(named ?? "node_modules");
  const found = await filesOf(folder, named === undefined);
  const baseDir = given.text("baseDir") ?? "omniq_data";
  const omniq = new OmniQ({ projectName: PROJECT, baseDir });
  const demo = new Demo(omniq, terminal, {
    folder,
    found,
    reportPath: resolve(baseDir, "demo-report.md"),
    database: resolve(baseDir, `${PROJECT}.db`),
    flags: `--project ${PROJECT}${given.text("baseDir") === undefined ? "" : ` --base-dir ${baseDir}`}`,
    slots: given.whole("slots") ?? 1,
    pace: given.whole("pace") ?? 0,
    json: given.flag("json"),
  });
  try {
    await demo.run();
    return EXIT.fine;
  } catch (error) {
    if (error instanceof Interrupted) return EXIT.interrupted;
    throw error;
  } finally {
    await omniq.close();
  }
};

async function filesOf(folder: string, isDefault: boolean): Promise<Found> {
  const hint = isDefault ? "; name another folder: omniq demo <folder>" : "";
  if (!(await isFolder(folder))) throw new UsageError(`Expected ${folder} to be a folder, but it is not${hint}`);
  const found = await findFiles(folder, MOST_FILES);
  if (found.total === 0) throw new UsageError(`Expected *.md or *.d.ts files below ${folder}, but there are none${hint}`);
  return found;
}
