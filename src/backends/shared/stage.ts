/** Numbers that stand for words in the rows of every backend. */

/** Where a row lies. 3 is kept free for tasks held back by a limit. */
export const STAGE = { ready: 0, timed: 1, blocked: 2, running: 4, doomed: 5, finished: 6 } as const;
/** Why a row was taken out of the ready set to be ended. */
export const MARK = { cancelled: 1, expired: 2, "parent-failed": 3 } as const;
/** `unique_until`: a time, or one of these. */
export const UNTIL = { finished: -1, started: -2 } as const;
