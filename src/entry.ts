/** Modules that run by themselves: threads and other processes. In the package they keep their names, whatever else is put together. */
const ENDING = import.meta.url.endsWith(".ts") ? "ts" : "js";

/** The root of the sources, or of what is made of them: this file lies in it, and so does the chunk that holds it. */
const ROOT = new URL("./", import.meta.url);

/** Where such a module lies. @param name its path below the root, without the ending. */
export function entry(name: string): URL {
  return new URL(`${name}.${ENDING}`, ROOT);
}
