/** The queues to compare with, which only the bench needs: `npm ci --prefix bench` installs them. */
import type { Peer } from "./queue.ts";

/** Those on one engine; none where they are not installed. */
export async function peersOf(engine: "postgres"): Promise<readonly Peer[]> {
  const module = new URL(`./peers/${engine}.ts`, import.meta.url).href;
  try {
    const { PEERS } = (await import(module)) as { readonly PEERS: readonly Peer[] };
    return PEERS;
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND")) throw error;
    process.stderr.write(`Without other queues on ${engine}: npm ci --prefix bench installs them\n`);
    return [];
  }
}
