/** The peers that are installed: `npm ci --prefix bench` installs them, and nothing else needs them. */
import type { Contender } from "./queue.ts";

export const SQLITE_PEERS = ["plainjob", "liteque", "sidequest", "bunqueue", "bullmq"] as const;
export const POSTGRES_PEERS = ["graphile", "pg-boss"] as const;

/** Those of these modules; where one is not installed, a line says so and it is left out. */
export async function peersOf(modules: readonly string[]): Promise<readonly Contender[]> {
  const found: Contender[] = [];
  for (const module of modules) {
    try {
      const { contenders } = (await import(`./peers/${module}.ts`)) as { readonly contenders: readonly Contender[] };
      found.push(...contenders);
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : undefined;
      if (code !== "ERR_MODULE_NOT_FOUND" && code !== "MODULE_NOT_FOUND") throw error;
      process.stderr.write(`Without ${module}: npm ci --prefix bench installs it\n`);
    }
  }
  return found;
}
