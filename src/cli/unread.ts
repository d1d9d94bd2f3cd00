/** Configuration files that somebody may think are read. */
import { existsSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { CONFIG_FILES } from "../config/find.ts";

const filesIn = (folder: string): readonly string[] => CONFIG_FILES.map((name) => join(folder, name)).filter((path) => existsSync(path));

/**
 * A sentence for each file that lies in the working directory beside the one that is read or, where none is, in the nearest folder above.
 * @param read the file that is read.
 */
export function unreadFiles(read: string | undefined): readonly string[] {
  if (read !== undefined)
    return filesIn("")
      .filter((path) => resolve(path) !== resolve(read))
      .map((path) => `${path} is not read: ${read} is`);
  const here = process.cwd();
  for (let [folder, below] = [dirname(here), here]; folder !== below; [folder, below] = [dirname(folder), folder]) {
    const found = filesIn(folder);
    if (found.length > 0)
      return found.map((path) => `${relative(here, path)} is not read: only the working directory is searched; name it with --config`);
  }
  return [];
}
