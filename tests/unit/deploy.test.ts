/** The examples of a deployment: their commands exist, and they leave a worker the time that it asks for. */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { COMMANDS } from "../../src/cli/commands.ts";
import { COMMON, DATABASE } from "../../src/cli/options.ts";
import { milliseconds } from "../../src/core/duration.ts";

const FOLDER = resolve(import.meta.dirname, "../../examples/deploy");
const read = (name: string): string => readFileSync(join(FOLDER, name), "utf8");
const FILES = ["omniq-worker.service", "Dockerfile", "compose.yaml"] as const;

/** What is given to the bin, in a shell's line or as a list. */
function commandsOf(text: string): readonly (readonly string[])[] {
  return [...text.matchAll(/dist\/cli\/bin\.js(.*)$/gm)].map(([, rest = ""]) =>
    rest
      .replaceAll(/[[\]",]+/g, " ")
      .trim()
      .split(/\s+/),
  );
}

describe.each(FILES)("%s", (name) => {
  const commands = commandsOf(read(name));

  test("names commands that there are, with their options", () => {
    expect(commands.length).toBeGreaterThan(0);
    for (const [first = "", ...rest] of commands) {
      const spec = COMMANDS.find((command) => command.name === first);
      expect(spec, first).toBeDefined();
      const known = [...COMMON, ...DATABASE, ...(spec?.options ?? [])].flatMap(({ flags }) => flags.split(/[ ,]+/));
      expect(known).toEqual(expect.arrayContaining(rest.filter((word) => word.startsWith("-"))));
    }
  });
});

describe("a stop", () => {
  const graceOf = (name: string): number => {
    const worker = commandsOf(read(name)).find(([first]) => first === "worker") ?? [];
    return milliseconds(worker[worker.indexOf("--grace") + 1], "grace");
  };
  /** Beyond the grace: the abort's second, and the last writes. */
  const LAST = 10_000;

  test("has its time from systemd", () => {
    const unit = read("omniq-worker.service");
    const stop = milliseconds(/^TimeoutStopSec=(\w+)$/m.exec(unit)?.[1], "TimeoutStopSec");
    expect(stop).toBeGreaterThanOrEqual(graceOf("omniq-worker.service") + LAST);
    for (const line of ["Type=exec", "KillSignal=SIGTERM", "Restart=on-failure", "NoNewPrivileges=yes"])
      expect(unit.split("\n")).toContain(line);
    expect(unit).not.toMatch(/^MemoryDenyWriteExecute/m);
  });

  test("has its time from Docker", () => {
    const { services } = parse(read("compose.yaml")) as { services: { worker: { stop_grace_period: string } } };
    expect(milliseconds(services.worker.stop_grace_period, "")).toBeGreaterThanOrEqual(graceOf("Dockerfile") + LAST);
    for (const line of ["STOPSIGNAL SIGTERM", "USER node", "VOLUME /data", "FROM node:24-slim"])
      expect(read("Dockerfile").split("\n")).toContain(line);
  });
});
