/** What PostgreSQL and the network say went wrong, as typed errors. A password never stands in one: only the place's own name is put in. */
import { OmniQError, StorageError } from "../../core/errors.ts";
import { moveError } from "../shared/moved.ts";
import { tableGone } from "../shared/table-gone.ts";

/** Errors of the caller's library lie around those of the driver. */
const DEEPEST = 5;

/**
 * The SQLSTATE of an error (postgresql.org/docs/current/errcodes-appendix.html), or Node's name of a network error. A library that hands
 * statements on tells it by the cause of its own error, Prisma by `meta`.
 */
export function codeOf(error: unknown): string {
  let each = error;
  for (let depth = 0; each instanceof Error && depth < DEEPEST; depth++) {
    const told: unknown = "meta" in each ? each.meta : each;
    const code: unknown = typeof told === "object" && told !== null && "code" in told ? told.code : undefined;
    if (typeof code === "string") return code;
    each = each.cause;
  }
  return "";
}

/** Somebody else was faster, or two waited for each other: the same again may succeed. */
export function isContention(error: unknown): boolean {
  return ["40001", "40P01", "55P03"].includes(codeOf(error));
}

/** A lock was waited for as long as the server allows. */
export function isLockTimeout(error: unknown): boolean {
  return codeOf(error) === "55P03";
}

/** A row with this id or key was written meanwhile. */
export function isDuplicate(error: unknown): boolean {
  return codeOf(error) === "23505";
}

const UNREACHABLE =
  /^(?:08...|57P0[123]|53300|E(?:CONNREFUSED|CONNRESET|PIPE|TIMEDOUT|HOSTUNREACH|NETUNREACH|AI_AGAIN|NOTFOUND))$|^ENOTFOUND$|^EAI_AGAIN$/;
/** pg's own sentences, which have no code. */
const CUT =
  /Connection terminated|timeout exceeded when trying to connect|Query read timeout|Client has encountered a connection error|not queryable|Connection ended/i;

/** pg's own sentences and Node's codes of a connection that both sides do not want in the same way. */
const NO_PASSWORD = /^SASL: .*password must be/;
const NO_TLS = /server does not support SSL/i;
const UNTRUSTED = /^(?:SELF_SIGNED|DEPTH_ZERO|UNABLE_TO_(?:VERIFY|GET)|CERT_|ERR_TLS|ERR_SSL|HOSTNAME_MISMATCH)/;

/** What was agreed upon wrongly, and will be again. */
function explainGreeting(error: unknown, place: string): readonly [string, string] | undefined {
  const message = error instanceof Error ? error.message : "";
  if (NO_PASSWORD.test(message)) return ["STORAGE_DENIED", `Expected a password for ${place}, got none: in the URL, or in PGPASSWORD`];
  if (NO_TLS.test(message)) return ["STORAGE_UNREACHABLE", `Expected ${place} to speak TLS, as the URL asks by sslmode, but it does not`];
  if (UNTRUSTED.test(codeOf(error)))
    return ["STORAGE_UNREACHABLE", `Expected ${place} to show a certificate that is trusted here: name its authority by ?sslrootcert=FILE`];
  return undefined;
}

/** A pooler refuses the settings of our connections, or a session is somebody else's, with other prepared statements. */
function isPooled(error: unknown): boolean {
  const told = error instanceof Error && error.message.includes("unsupported startup parameter");
  return told || ["26000", "42P05"].includes(codeOf(error));
}

/** The connection is gone, or there was none: nobody knows whether what was under way has been written. */
export function isCut(error: unknown): boolean {
  return (UNREACHABLE.test(codeOf(error)) && !isPooled(error)) || (error instanceof Error && CUT.test(error.message));
}

/** An error of the driver as a StorageError that says what to do; any other error as it is. */
export function storageError(error: unknown, place: string): unknown {
  if (error instanceof OmniQError) return error;
  const moved = moveError(error, place);
  if (moved !== undefined) return moved;
  const [code, text] = explain(error, place);
  if (code === undefined) return error;
  return new StorageError(code, `${text} (${error instanceof Error ? error.message : "unknown"})`, { cause: error });
}

function explain(error: unknown, place: string): readonly [string | undefined, string] {
  const code = codeOf(error);
  if (isPooled(error)) {
    const advice = "put ?pgbouncer=true behind the URL (or give `prepare: false`)";
    return ["STORAGE_POOLED", `Expected ${place} to keep a connection for OmniQ, but there is a pooler in between: ${advice}`];
  }
  const greeting = explainGreeting(error, place);
  if (greeting !== undefined) return greeting;
  if (isCut(error)) return ["STORAGE_UNREACHABLE", `Expected to reach ${place}, but there is no connection`];
  if (code.startsWith("28")) return ["STORAGE_DENIED", `Expected ${place} to let this user in: check user, password and pg_hba.conf`];
  if (code === "3D000") return ["STORAGE_NOT_FOUND", `Expected ${place} to be there, but it is not: make the database first`];
  if (code === "42501") return ["STORAGE_DENIED", `Expected this user to have the rights that OmniQ needs in ${place}`];
  if (code === "25006") return ["STORAGE_READONLY", `Expected ${place} to be writable: is it a standby?`];
  if (code.startsWith("53")) return ["STORAGE_FULL", `Expected ${place} to have room`];
  if (code === "42P01" || code === "3F000") return tableGone(place);
  if (code === "XX001" || code === "XX002") return ["STORAGE_CORRUPT", `Expected ${place} to be whole, but it is damaged`];
  if (isLockTimeout(error)) {
    const hint =
      "a transaction that somebody has open holds a row or a unique key that this call needs (omniq doctor shows those open for long)";
    return ["STORAGE_BUSY", `Expected ${place} to be free for this call, but waited too long for a lock: ${hint}`];
  }
  if (isContention(error) || isDuplicate(error))
    return ["STORAGE_BUSY", `Expected ${place} to be free for this write, but others were in the way again and again`];
  if (/^[0-9A-Z]{5}$/.test(code)) return ["STORAGE_FAILED", `${place} refused a statement`];
  return [undefined, ""];
}
