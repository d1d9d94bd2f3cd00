/** Changing parents before their children, and otherwise many at a time. */

export interface Dependent {
  readonly id: string;
  /** Those that are to be changed before it, if they are; absent: none. */
  readonly parents?: readonly string[];
}

/** The same, parted so that no round has a task together with a parent of it: that one is in a round before. @param tasks parents first */
export function roundsOf<T extends Dependent>(tasks: readonly T[]): readonly (readonly T[])[] {
  const rounds: T[][] = [];
  const roundOf = new Map<string, number>();
  for (const task of tasks) {
    let at = 0;
    for (const parent of task.parents ?? []) at = Math.max(at, (roundOf.get(parent) ?? -1) + 1);
    roundOf.set(task.id, at);
    const round = rounds[at];
    if (round === undefined) rounds.push([task]);
    else round.push(task);
  }
  return rounds;
}
