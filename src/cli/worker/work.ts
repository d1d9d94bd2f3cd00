/** A worker in the foreground, from its configuration to its exit code. */
import type { ConfigData } from "../../config/options.ts";
import { withoutSecrets } from "../../config/url.ts";
import { formatDuration } from "../../core/duration.ts";
import { InvalidOptionError, ModuleError } from "../../core/errors.ts";
import { stderrLogger } from "../../host.ts";
import { OmniQ } from "../../index.ts";
import type { Logger, OmniQWorkerOptions, Ran, Worker } from "../../index.ts";
import { EXIT, UsageError } from "../command.ts";
import type { ExitCode, Given } from "../command.ts";
import { configured } from "../configured.ts";
import type { Configured } from "../configured.ts";
import { Interrupted } from "../interrupt.ts";
import { nameOf, placesOf } from "../places.ts";
import type { Terminal } from "../terminal.ts";
import { importTasks, setUp, taskFilesOf } from "./modules.ts";
import type { TaskModule } from "./modules.ts";
import { Stopping } from "./stops.ts";
import type { Stops } from "./stops.ts";

const GRACE = 10_000;
const SHORTEST_LEASE = 100;

/**
 * Resolves when the worker was asked to stop and has, or, with `--drain`, when nothing is ready any more. It can be asked from the first
 * moment on, while modules are imported and set up, too.
 */
export async function work(given: Given, terminal: Terminal, stops: Stops): Promise<ExitCode> {
  const options = workerOptions(given);
  // Until it is known what the configuration says.
  let logger = stderrLogger({ level: given.flag("quiet") ? "warn" : "info" });
  const stopping = new Stopping({
    grace: given.duration("grace") ?? GRACE,
    say: (text) => {
      if (terminal.stderr.isTTY) terminal.note(text);
      else logger.info(text, { component: "worker" });
    },
    now: () => performance.now(),
    exit: (code) => process.exit(code),
  });
  const unlisten = stops(() => {
    stopping.ask();
  });
  terminal.whenNobodyReads(() => {
    stopping.ask();
  });
  try {
    const loaded = await stopping.unlessAsked(configured(given, terminal));
    const config: ConfigData = { ...loaded.config, logging: { ...loaded.config.logging, level: levelOf(given, loaded) } };
    logger = stderrLogger(config.logging.disabled ? { level: "off" } : config.logging);
    await run({ given, config, logger, stopping, options });
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
  } finally {
    unlisten();
  }
  // Asked once, a worker does what it was asked; a drain that was interrupted has not.
  return stopping.asked > (given.flag("drain") ? 0 : 1) ? EXIT.interrupted : EXIT.fine;
}

interface Running {
  readonly given: Given;
  readonly config: ConfigData;
  readonly logger: Logger;
  readonly stopping: Stopping;
  readonly options: Omit<OmniQWorkerOptions, "tasks" | "modules">;
}

async function run({ given, config, logger, stopping, options }: Running): Promise<void> {
  const modules: TaskModule[] = [];
  for (const file of taskFilesOf(given.texts("tasks"))) modules.push(await stopping.unlessAsked(importTasks(file)));
  const omniq = OmniQ.fromConfig(config, { logger });
  try {
    for (const module of modules) await stopping.unlessAsked(setUp(module, omniq));
    const worker = omniq.worker({ ...options, modules: modules.map(({ url }) => url) });
    stopping.watch(worker);
    report(worker, logger);
    if (stopping.asked === 0)
      await runUntilAsked({
        worker,
        isDrain: given.flag("drain"),
        stopping,
        say: (text, fields = {}) => logger.info(text, { component: "worker", ...fields }),
        fields: about(config, modules, options),
      });
  } finally {
    await omniq.close();
  }
}

interface Life {
  readonly worker: Worker;
  readonly isDrain: boolean;
  readonly stopping: Stopping;
  readonly say: (text: string, fields?: object) => void;
  readonly fields: object;
}

async function runUntilAsked({ worker, isDrain, stopping, say, fields }: Life): Promise<void> {
  try {
    await (isDrain ? worker.drain() : worker.start());
  } catch (error) {
    // The options were looked at before: what is wrong is in the modules.
    throw error instanceof InvalidOptionError ? new ModuleError("MODULE_INVALID", error.message, { cause: error }) : error;
  }
  if (!isDrain) {
    if (stopping.asked === 0) say("Worker started", fields);
    await stopping.done;
  }
  say(stopping.asked === 0 ? "Nothing is ready any more" : "Worker stopped");
}

/** Only what was given: the rest is the configuration's. @throws UsageError */
function workerOptions(given: Given): Running["options"] {
  const queues = given
    .text("queues")
    ?.split(",")
    .map((name) => name.trim());
  if (queues?.some((name) => name === "") === true) throw new UsageError("Expected --queues to be names with commas between them");
  const [concurrency, lease] = [given.whole("concurrency"), given.duration("lease")];
  if (lease !== undefined && lease < SHORTEST_LEASE) throw new UsageError(`Expected --lease to be at least ${SHORTEST_LEASE} ms`);
  return {
    // A name that is said twice is served where it stands first.
    ...(queues === undefined ? {} : { queues: [...new Set(queues)] }),
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(lease === undefined ? {} : { lease }),
  };
}

/** `--quiet` and `--verbose`, else what the configuration says, else a line for each task that ends. */
function levelOf(given: Given, { config, origins }: Configured): ConfigData["logging"]["level"] {
  if (given.flag("quiet") && given.flag("verbose")) throw new UsageError("Expected one of --quiet and --verbose, got both");
  if (given.flag("quiet")) return "warn";
  if (given.flag("verbose")) return "debug";
  const from = origins.get("logging.level")?.from;
  return from === undefined || from === "default" ? "info" : config.logging.level;
}

function about(config: ConfigData, modules: readonly TaskModule[], { queues, concurrency }: Running["options"]) {
  return {
    database: placesOf(config).map((place) => nameOf(place))[0],
    tasks: modules.map(({ file }) => file).join(", "),
    queues: (queues ?? config.taskQueue.config.queues).join(", "),
    slots: concurrency ?? config.worker.config.maxWorkers ?? 10,
  };
}

/** A line for each task that ends: never with its arguments or its result. */
function report(worker: Worker, logger: Logger): void {
  const fields = ({ id, queueName, attempt, executionTime }: Ran) => ({
    component: "worker",
    taskId: id,
    queue: queueName,
    ...(attempt === 1 ? {} : { attempt }),
    ...(executionTime === undefined ? {} : { ran: formatDuration(executionTime) }),
  });
  worker.on("completed", (ran) => {
    logger.info(`${ran.func} completed`, fields(ran));
  });
  worker.on("retrying", (ran) => {
    const again = { error: withoutSecrets(`${ran.error.name}: ${ran.error.message}`), again: `in ${formatDuration(ran.after)}` };
    logger.warn(`${ran.func} failed and runs again`, { ...fields(ran), ...again });
  });
  worker.on("failed", (ran) => {
    logger.error(`${ran.func} failed`, { ...fields(ran), error: withoutSecrets(`${ran.error.name}: ${ran.error.message}`) });
  });
}

/**
 * After the last word, whatever it was: what task modules left open (timers, pools, a handler that was left behind) keeps no process
 * alive. The exit code is the one that is set by then.
 */
export function leaveSoon(): void {
  setTimeout(() => process.exit(), 500).unref();
}
