/** Findings about a PostgreSQL server and the schema on it. */
import { LEAST_SERVER, SCHEMA_VERSION } from "../../backends/postgres/examine.ts";
import type { ServerFacts } from "../../backends/postgres/examine.ts";
import { formatDuration } from "../../core/duration.ts";
import { bytes, count } from "../text.ts";
import { note, ok, problem, warning } from "./finding.ts";
import type { Finding } from "./finding.ts";

/** So much of the allowed connections is nearly all. */
const CROWDED = 0.9;
/** Dead rows below are not worth a word. */
const MANY_DEAD = 100_000;
/** Times are the server's: only people see the difference. */
const SKEW = 5_000;
const seconds = (ms: number): string => formatDuration(Math.round(ms / 1_000) * 1_000);

export function serverFindings(facts: ServerFacts, name: string): readonly Finding[] {
  return [
    ...versionFindings(facts, name),
    ...writeFindings(facts),
    ...durabilityFindings(facts),
    ...vacuumFindings(facts),
    ...connectionFindings(facts),
    schemaFinding(facts, name),
    ...rightFindings(facts),
  ];
}

function versionFindings({ number, text, user, ahead }: ServerFacts, name: string): readonly Finding[] {
  const found =
    number < LEAST_SERVER
      ? problem("server", `PostgreSQL ${text} at ${name}: OmniQ needs 13 or newer`, "update the server")
      : ok("server", `PostgreSQL ${text} at ${name}, as ${user}`);
  if (Math.abs(ahead) < SKEW) return [found];
  const skew = `The server's clock is ${seconds(Math.abs(ahead))} ${ahead > 0 ? "ahead of" : "behind"} this machine's: all times are the server's`;
  return [found, warning("clock", skew, "let both keep time by NTP")];
}

function writeFindings({ isStandby, settings }: ServerFacts): readonly Finding[] {
  if (isStandby) return [problem("writable", "The server is a standby: nothing can be written", "name the primary in the URL")];
  if (settings.default_transaction_read_only === "on")
    return [
      problem(
        "writable",
        "Transactions of this user are read-only (default_transaction_read_only)",
        "ALTER ROLE … RESET default_transaction_read_only",
      ),
    ];
  return [];
}

function durabilityFindings({ settings }: ServerFacts): readonly Finding[] {
  const off = (["fsync", "full_page_writes"] as const).filter((name) => settings[name] === "off");
  if (off.length > 0)
    return [
      problem("durability", `${off.join(" and ")} is off: a crash of the server may corrupt all of it`, "switch it on in postgresql.conf"),
    ];
  if (settings.synchronous_commit === "off")
    return [
      warning(
        "durability",
        "synchronous_commit is off: what was acknowledged in the last moments before a crash is lost",
        "switch it on for this user or database",
      ),
    ];
  return [ok("durability", `fsync on, synchronous_commit ${settings.synchronous_commit}`)];
}

function vacuumFindings({ settings, open, tables }: ServerFacts): readonly Finding[] {
  const dead = tables.filter((table) => table.dead > MANY_DEAD && table.dead > table.rows);
  return [
    ...(settings.autovacuum === "on"
      ? []
      : [warning("vacuum", "autovacuum is off: the tables grow without end", "switch it on, or run VACUUM on the schema's tables often")]),
    ...open.map(({ pid, program, ms }) =>
      warning(
        "vacuum.held",
        `A transaction is open since ${seconds(ms)} (${program === "" ? "unnamed" : program}, pid ${pid}): meanwhile no dead row can be removed`,
        `let it commit, or: SELECT pg_terminate_backend(${pid})`,
      ),
    ),
    ...dead.map(({ name, dead: n, rows }) =>
      warning(
        "vacuum.dead",
        `${name} has ${n.toLocaleString("en-US")} dead rows beside ${rows.toLocaleString("en-US")} live ones`,
        `VACUUM the table ${name}`,
      ),
    ),
  ];
}

function connectionFindings({ connections: { used, most }, hears }: ServerFacts): readonly Finding[] {
  const text = `${used} of ${most} connections are in use`;
  return [
    used >= most * CROWDED
      ? warning("connections", text, "smaller pools, fewer processes, or a higher max_connections")
      : ok("connections", text),
    ...(hears
      ? []
      : [
          warning(
            "notifications",
            "What is notified on one connection is not heard on another: a pooler in transaction mode stands before the server, and workers look only every 5 seconds",
            "name the server itself, or a pooler in session mode",
          ),
        ]),
  ];
}

function schemaFinding({ version, tables }: ServerFacts, name: string): Finding {
  if (version === SCHEMA_VERSION) {
    const size = tables.reduce((sum, table) => sum + table.bytes, 0);
    return ok("schema", `Schema version ${version}, this version's; ${bytes(size)} with indexes`);
  }
  if (version === 0)
    return problem("schema", `There are no tables of OmniQ in ${name}`, "omniq migrate makes them, or --url and --schema name others");
  if (version > SCHEMA_VERSION)
    return problem(
      "schema",
      `It has schema version ${version}: a newer OmniQ wrote it, and this one knows ${SCHEMA_VERSION}`,
      "npm install omniq@latest",
    );
  return problem("schema", `It has schema version ${version} of ${SCHEMA_VERSION}`, "omniq migrate");
}

function rightFindings({ missing, user }: ServerFacts): readonly Finding[] {
  if (missing.length === 0) return [];
  const text = `${user} lacks ${count(missing.length, "right")}: ${missing.slice(0, 5).join(", ")}${missing.length > 5 ? ", …" : ""}`;
  if (missing.some((each) => each.startsWith("SELECT"))) return [problem("rights", text, "docs/postgres.md has the GRANTs")];
  return [note("rights", `${text}: it can look, and not work`, "docs/postgres.md has the GRANTs of a user that works")];
}
