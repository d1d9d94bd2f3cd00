/** The time that several processes tell alike. */

/** The monotonic clock that all processes of a machine share, in milliseconds. */
export function sharedNow(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
