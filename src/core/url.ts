/** URLs of servers. */

/**
 * What stands behind `postgres:` in a URL, as a regular expression. An `@` or a second `/` behind the host is a character of the password
 * that was not percent-encoded: half of it would be taken, and shown, as host or database.
 */
export const BEHIND_POSTGRES = "//(?=\\S)[^\\s/?#]*(?:/[^\\s/@?#]*)?(?:\\?[^\\s@#]*)?";
const POSTGRES = new RegExp(`^postgres(?:ql)?:${BEHIND_POSTGRES}$`, "i");

/** Whether a text is a URL of a PostgreSQL database: `postgres://user:password@host:port/database`. */
export function isPostgresUrl(url: string): boolean {
  return POSTGRES.test(url) && URL.canParse(url);
}
