/** The door's first import: an older Node gets one clear sentence, before anything that it lacks is used. */

/** What is wrong with a version of Node, if anything. */
export function refusalOf(version: string): string | undefined {
  const [major = 0, minor = 0, patch = 0] = version.split(".").map((part) => Number.parseInt(part, 10));
  const is22 = major === 22 && (minor > 23 || (minor === 23 && patch >= 3));
  const isLater = major > 24 || (major === 24 && minor >= 15);
  if (is22 || isLater) return undefined;
  return `omniq needs Node 22.23.3 or newer of line 22, or 24.15 or newer, but this is ${version}: the SQLite of older ones can lose commits`;
}

const refusal = refusalOf(process.versions.node);
if (refusal !== undefined) throw new Error(refusal);
