/** `omniq doctor`: looks for trouble, changes nothing unless it is asked to repair, and says what helps. */
import { fileFacts, isHollow, READ_WAIT, SCHEMA_VERSION, sqliteVersion } from "../../backends/sqlite/examine.ts";
import type { Backlog } from "../../backends/shared/backlog.ts";
import type { FileFacts } from "../../backends/sqlite/examine.ts";
import { sqliteMover } from "../../backends/sqlite/transfer.ts";
import { OmniQError } from "../../core/errors.ts";
import { OmniQ } from "../../index.ts";
import { EXIT, UsageError } from "../command.ts";
import type { Given, Run } from "../command.ts";
import { configured } from "../configured.ts";
import type { Configured } from "../configured.ts";
import { databaseFindings, lockFinding } from "../doctor/database.ts";
import { moveFindings } from "../doctor/move.ts";
import { examined } from "../doctor/examined.ts";
import { fileFindings } from "../doctor/file.ts";
import { countOf, note, ok, printFinding, problem, warning } from "../doctor/finding.ts";
import type { Finding } from "../doctor/finding.ts";
import { repairAll } from "../doctor/repair.ts";
import { salvageAll } from "../doctor/salvage.ts";
import { readWork, workFindings } from "../doctor/work.ts";
import { ownVersion, versionIn } from "../own-package.ts";
import { filesOf, isServer, nameOf, placesOf, refuseMemory } from "../places.ts";
import type { FilePlace, ServerPlace } from "../places.ts";
import { statusLine } from "../status-line.ts";
import { systemSentence } from "../system-error.ts";
import type { Terminal } from "../terminal.ts";
import { count, plain } from "../text.ts";
import { unreadFiles } from "../unread.ts";

export const run: Run = async (given, terminal) => {
  const target = given.text("salvage");
  if (target === undefined && !given.flag("repair")) return examineAll(given, terminal);
  if (target !== undefined && given.flag("repair")) throw new UsageError("Expected --repair or --salvage, got both");
  const { config, origins } = await configured(given, terminal);
  const places = placesOf(config, origins);
  refuseMemory(places);
  const server = places.find((place) => isServer(place));
  if (server !== undefined) throw new UsageError(`Expected a database in a file, got ${server.name}: PostgreSQL has tools of its own`);
  const files = filesOf(places);
  return target === undefined ? repairAll(files, { given, terminal }) : salvageAll(files, target, { given, terminal });
};

const examineAll: Run = async (given, terminal) => {
  const findings: Finding[] = [];
  const json = given.flag("json");
  const tell = (...found: readonly Finding[]): void => {
    findings.push(...found);
    if (!json) for (const finding of found) printFinding(terminal, finding);
  };
  tell(
    ok("versions", `OmniQ ${ownVersion()}, Node ${process.versions.node}, SQLite ${sqliteVersion()}, ${process.platform}-${process.arch}`),
  );
  tell(...projectVersion());
  const loaded = await configuration(given, terminal, tell);
  if (loaded !== undefined) await lookAt(loaded, { given, terminal, tell });
  const [problems, warnings] = [countOf(findings, "problem"), countOf(findings, "warning")];
  if (json) terminal.json({ problems, warnings, findings });
  else {
    terminal.line();
    terminal.line(
      terminal.paint(
        "bold",
        problems + warnings === 0 ? "Nothing is wrong." : `${count(problems, "problem")}, ${count(warnings, "warning")}.`,
      ),
    );
  }
  return problems === 0 ? EXIT.fine : EXIT.failed;
};

/** A command that was installed elsewhere may be of another version than what the programs of this folder import. */
function projectVersion(): readonly Finding[] {
  const version = versionIn(process.cwd());
  if (version === undefined || version === ownVersion()) return [];
  return [
    warning("versions", `The programs of this folder import OmniQ ${version}, and this command is ${ownVersion()}`, "npx omniq doctor"),
  ];
}

type Tell = (...found: readonly Finding[]) => void;

/** Every mistake in it is a finding; with one, nobody knows which database is meant. */
async function configuration(given: Given, terminal: Terminal, tell: Tell): Promise<Configured | undefined> {
  const mistakes: string[] = [];
  try {
    const loaded = await configured(given, terminal, ({ message }) => {
      mistakes.push(message);
    });
    if (mistakes.length === 0) {
      // Stores that contradict each other are a mistake as well.
      placesOf(loaded.config, loaded.origins);
      tell(
        ok(
          "configuration",
          loaded.file === undefined ? "No configuration file, only options, variables and defaults" : `Configuration: ${loaded.file}`,
        ),
        ...unreadFiles(loaded.file).map((text) => note("configuration", text)),
      );
      return loaded;
    }
  } catch (error) {
    if (!(error instanceof OmniQError)) throw error;
    mistakes.push(error.message);
  }
  tell(...mistakes.map((mistake) => problem("configuration", mistake, "correct it; omniq config explain shows what is in effect")));
  return undefined;
}

/** A lock that is let go sooner keeps nobody. */
const LONG_HELD = 1_000;

interface Look {
  readonly given: Given;
  readonly terminal: Terminal;
  readonly tell: Tell;
}

async function lookAt({ config, origins }: Configured, look: Look): Promise<void> {
  const { terminal, given, tell } = look;
  const places = placesOf(config, origins);
  const readable: Looked[] = [];
  for (const place of places) {
    if (places.length > 1 && !given.flag("json"))
      terminal.line(terminal.paint("bold", `${place.holds.join(", ")}: ${plain(nameOf(place))}`));
    const looked = isServer(place) ? await lookAtServer(place, look) : await lookAtFile(place, look);
    if (looked !== undefined) readable.push(looked);
  }
  const [first] = readable;
  if (readable.length < places.length || first === undefined) {
    tell(note("work", "Schedules, queues and workers were not looked at: the database cannot be worked with"));
    return;
  }
  const omniq = OmniQ.fromConfig(config);
  try {
    tell(...workFindings(await readWork(omniq, first.backlog, first.now)));
  } catch (error) {
    if (!(error instanceof OmniQError)) throw error;
    tell(problem("work", error.message, "see what is said about the file"));
  } finally {
    await omniq.close();
  }
}

/** Undefined, and a finding, where the file system lets nobody look. */
function factsOf(path: string, tell: Tell): FileFacts | undefined {
  try {
    return fileFacts(path);
  } catch (error) {
    const why = systemSentence(error);
    if (why === undefined) throw error;
    tell(problem("file", why, "run it as the user of the workers, or give this user the right"));
    return undefined;
  }
}

/** What waits in a place that can be worked with, and its time. */
interface Looked {
  readonly backlog: Backlog;
  readonly now: number;
}

async function lookAtServer(place: ServerPlace, { terminal, tell }: Look): Promise<Looked | undefined> {
  const { examine, SCHEMA_VERSION: ours } = await import("../../backends/postgres/examine.ts");
  const { serverFindings } = await import("../doctor/server.ts");
  const line = statusLine(terminal);
  try {
    line.say("Asking the server …");
    const facts = await examine(place);
    line.end();
    tell(...serverFindings(facts, place.name));
    if (facts.version === ours) {
      const { postgresMover } = await import("../../backends/postgres/transfer.ts");
      const moves = await moveFindings(await postgresMover(place));
      tell(...moves);
      // What waits there is the other database's to work on, or will be.
      if (moves.length > 0) return undefined;
    }
    return facts.version === ours && facts.missing.length === 0 ? facts : undefined;
  } catch (error) {
    line.end();
    if (!(error instanceof OmniQError)) throw error;
    tell(problem("server", `${error.message} (${error.code})`, "docs/postgres.md says what to do about each code"));
    return undefined;
  }
}

async function lookAtFile(place: FilePlace, { given, terminal, tell }: Look): Promise<Looked | undefined> {
  const { path } = place;
  if (path === ":memory:") {
    tell(note("file", "The database lies in the memory of another process: nothing of it can be seen from here"));
    return undefined;
  }
  const facts = factsOf(path, tell);
  if (facts === undefined) return undefined;
  tell(...fileFindings(facts));
  if (facts.is !== "file" || facts.bytes === 0 || isHollow(facts) || facts.secondName !== undefined) return undefined;
  const line = statusLine(terminal);
  try {
    line.say("Checking the file …");
    const wait = Math.max(place.busyTimeout, LONG_HELD);
    const { facts: found, locked } = await examined({ place, full: given.flag("full"), wait });
    line.end();
    tell(...databaseFindings(found, given.flag("full")), ...(locked ? [lockFinding(wait)] : []));
    if (found.version === SCHEMA_VERSION && found.damage.length === 0 && !locked) {
      const moves = await moveFindings(sqliteMover(path, place.tablePrefix));
      tell(...moves);
      if (moves.length > 0) return undefined;
    }
    return found.version === SCHEMA_VERSION && found.damage.length === 0 ? { backlog: found.backlog, now: Date.now() } : undefined;
  } catch (error) {
    line.end();
    if (!(error instanceof OmniQError)) throw error;
    if (error.code === "STORAGE_BUSY") tell(lockFinding(READ_WAIT));
    else
      tell(
        problem(
          "database",
          `${error.message} (${error.code})`,
          error.code === "STORAGE_CORRUPT"
            ? "stop the workers and keep the file; restore a backup, or save what can be read: omniq doctor --salvage FILE"
            : "docs/sqlite.md says what to do about each code",
        ),
      );
    return undefined;
  }
}
