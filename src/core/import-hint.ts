/** What helps when a module cannot be imported: Node runs TypeScript by taking its types away, and not all of it is only types. */

const TSX = 'Start Node with `--import tsx`, as NODE_OPTIONS="--import tsx", for TypeScript that Node alone cannot run';

/** ` …` to put behind the error of an import, or nothing. */
export function importHint(error: unknown, url: string): string {
  if (!(error instanceof Error)) return "";
  const code = "code" in error ? error.code : undefined;
  if (code === "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX") return `. ${TSX} (an enum, a namespace, a parameter property)`;
  if (code === "ERR_UNKNOWN_FILE_EXTENSION") return `. ${TSX} (JSX)`;
  if (code === "ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING")
    return ". Node runs no TypeScript under node_modules: compile it to JavaScript";
  if (code === "ERR_MODULE_NOT_FOUND" && /'[^']*\/[^'/.]+' imported from/.test(error.message))
    return `. Write the import with its file's ending ("./x.ts"); or: ${TSX}`;
  // A decorator: Node's parser says no more than that it is not JavaScript.
  if (error.name === "SyntaxError" && /\.[cm]?ts$/.test(url)) return `. ${TSX} (a decorator)`;
  return "";
}
