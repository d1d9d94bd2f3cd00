/** A transaction of Prisma on PostgreSQL (`prisma.$transaction(async (tx) => …)`) as OmniQ's `tx`. */
export function fromPrisma(tx: { $queryRawUnsafe(query: string, ...values: unknown[]): Promise<unknown> }) {
  return {
    query: (text: string, values: unknown[]): Promise<unknown> => tx.$queryRawUnsafe(text, ...values),
  };
}
