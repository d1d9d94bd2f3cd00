/** URLs of stores. */

/**
 * The path that a URL of the form `sqlite:path` names: `sqlite:./data/shop.db` is relative to the working directory,
 * `sqlite:/var/shop.db` and `sqlite:///var/shop.db` are absolute, `sqlite::memory:` (or `:memory:` alone) lies in memory.
 * `undefined` for anything else, also for a URL with a host, a query or a fragment.
 */
export function sqlitePathOf(url: string): string | undefined {
  if (url === ":memory:") return url;
  const match = /^sqlite:(?<slashes>\/\/(?=\/))?(?<path>[^?#\0]+)$/i.exec(url);
  const path = match?.groups?.["path"];
  if (path === undefined || path.startsWith("//")) return undefined;
  if (match?.groups?.["slashes"] === undefined) return path;
  const decoded = decode(path);
  // `sqlite:///C:/data/shop.db`
  return decoded !== undefined && /^\/[A-Za-z]:/.test(decoded) ? decoded.slice(1) : decoded;
}

function decode(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}

/** From the first `://` to the last `@`, by search: an expression for it took 9 s for 200 KB without an `@`. */
function withoutUser(word: string): string {
  const [from, to] = [word.indexOf("://") + 3, word.lastIndexOf("@")];
  return from < 3 || to < from ? word : `${word.slice(0, from)}***${word.slice(to)}`;
}

/** A text that may be shown: what stands before the `@` of a URL, and what a query calls a secret, is taken out. */
export function withoutSecrets(text: string): string {
  return text
    .replaceAll(/\S+/g, withoutUser)
    .replaceAll(/(?<name>[?&;\s](?:password|passwd|pwd|pass|token|secret|key)=)[^&;\s"']*/gi, "$<name>***");
}
