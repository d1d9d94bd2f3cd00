/** Payloads whose bits have changed where they lie: they are told, and never taken for what was written. */
import { PayloadError } from "./errors.ts";

/** What a store knows of a row's payload. */
export interface MaybeDamaged {
  /** The payload is not what was written. Absent: it is, or nobody can tell. */
  readonly damaged?: true;
}

/** @throws PayloadError `PAYLOAD_DAMAGED` */
export function refuseDamaged({ damaged }: MaybeDamaged, what: string): void {
  if (damaged !== true) return;
  throw new PayloadError(
    "PAYLOAD_DAMAGED",
    `Expected ${what} to be as they were written, but their checksum says that something has changed them in the file`,
  );
}
