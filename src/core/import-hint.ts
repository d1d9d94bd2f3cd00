/** What helps when a module cannot be imported: Node runs TypeScript by taking its types away, and not all of it is only types. */

const TSX = 'start Node with `--import tsx` (NODE_OPTIONS="--import tsx")';

/** ` …` to put behind the error of an import, or nothing. */
export function importHint(error: unknown, file: string): string {
  if (!(error instanceof Error)) return "";
  const code = "code" in error ? error.code : undefined;
  if (code === "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX")
    return `. For TypeScript that is more than types (an enum, a namespace, a parameter property), ${TSX}`;
  if (code === "ERR_UNKNOWN_FILE_EXTENSION") return `. For this kind of file, ${TSX}`;
  if (code === "ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING")
    return ". Node runs no TypeScript under node_modules: compile it to JavaScript";
  if (code === "ERR_MODULE_NOT_FOUND" && /'[^']*\/[^'/.]+' imported from/.test(error.message))
    return `. Write the import with its file's ending, as "./tasks.ts", or ${TSX}`;
  // A decorator is all that Node's parser of TypeScript lets through without running it.
  if (code === undefined && error.name === "SyntaxError" && /\.[cm]?tsx?$/i.test(file)) return `. For decorators, ${TSX}`;
  return "";
}

/** `tasks.ts:3`, as the stack of an error tells of a file; `undefined` where it does not. */
export function lineIn(error: unknown, file: string): string | undefined {
  const name = file.split(/[/\\]/).at(-1) ?? file;
  const lines = error instanceof Error ? (error.stack ?? "").split("\n") : [];
  for (const line of lines) {
    const at = line.lastIndexOf(`${name}:`);
    const number = /^\d+/.exec(at < 0 ? "" : line.slice(at + name.length + 1))?.[0];
    if (number !== undefined) return `${file}:${number}`;
  }
  return undefined;
}
