/** What is made of facts that a test machine does not have: other file systems, a full disk, many queues. */
import { describe, expect, test } from "vitest";
import { SCHEMA_VERSION } from "../../../src/backends/sqlite/examine.ts";
import type { DatabaseFacts, FileFacts } from "../../../src/backends/sqlite/examine.ts";
import { fileSystemOf } from "../../../src/backends/sqlite/file-system.ts";
import { databaseFindings } from "../../../src/cli/doctor/database.ts";
import { fileFindings } from "../../../src/cli/doctor/file.ts";
import type { Finding } from "../../../src/cli/doctor/finding.ts";
import { workFindings } from "../../../src/cli/doctor/work.ts";
import type { Work } from "../../../src/cli/doctor/work.ts";
import { Schedule } from "../../../src/index.ts";

const GB = 1_000_000_000;
const file: FileFacts = {
  path: "/data/shop.db",
  is: "file",
  bytes: 1_000_000,
  walBytes: 0,
  mode: 0o600,
  folderMode: 0o755,
  readOnly: [],
  fileSystem: { name: "ext4", kind: "local", free: 50 * GB },
};
const wrongIn = (findings: readonly Finding[]): readonly string[] =>
  findings.filter(({ severity }) => severity !== "ok").map(({ check, severity }) => `${severity} ${check}`);

describe("of the file", () => {
  test.each<[string, Partial<FileFacts>, readonly string[]]>([
    ["well", {}, []],
    ["on NFS", { fileSystem: { name: "NFS", kind: "network" } }, ["problem file-system"]],
    ["on FUSE", { fileSystem: { name: "FUSE", kind: "fuse" } }, ["warning file-system"]],
    ["in a container's layer", { fileSystem: { name: "overlay", kind: "layer" } }, ["warning file-system"]],
    ["in memory", { fileSystem: { name: "tmpfs", kind: "memory" } }, ["warning file-system"]],
    ["on something unknown", { fileSystem: { name: "0x1", kind: "unknown" } }, ["note file-system"]],
    ["on a full disk", { fileSystem: { name: "ext4", kind: "local", free: 1_000 } }, ["problem room"]],
    ["on a nearly full disk", { fileSystem: { name: "ext4", kind: "local", free: GB / 2 } }, ["warning room"]],
    ["of another user", { readOnly: ["/data/shop.db", "/data"] }, ["problem permissions", "problem permissions"]],
    ["readable by a group", { mode: 0o640 }, ["warning permissions"]],
    ["in a folder of all", { folderMode: 0o777 }, ["warning permissions"]],
    ["in a sticky folder of all", { folderMode: 0o1777 }, []],
    ["with a long WAL", { walBytes: 100_000_000 }, ["warning wal"]],
    ["with a long WAL beside more", { walBytes: 100_000_000, bytes: GB }, []],
    ["empty", { bytes: 0 }, ["problem file"]],
    ["hollow", { bytes: 0, walBytes: 9 }, ["problem file"]],
    ["with a hard link", { secondName: "link" }, ["problem names"]],
    ["mounted alone", { secondName: "mount" }, ["problem names"]],
    ["missing", { is: "missing" }, ["problem file"]],
    ["a folder", { is: "other" }, ["problem file"]],
  ])("%s", (_, facts, wrong) => {
    const findings = fileFindings({ ...file, ...facts });
    expect(wrongIn(findings)).toEqual(wrong);
    for (const { severity, remedy } of findings) if (severity === "problem" || severity === "warning") expect(remedy).toBeTruthy();
  });

  test.each([
    [0x6969, "network"],
    [0xff534d42 - 2 ** 32, "network"],
    [0xfe534d42, "network"],
    [0x01021997, "network"],
    [0x65735546, "fuse"],
    [0x794c7630, "layer"],
    [0xef53, "local"],
    [1, "unknown"],
  ])("statfs %d is %s", (magic, kind) => {
    expect(fileSystemOf(magic).kind).toBe(kind);
  });
});

test("of the database: what is pinned, free, or too much to name", () => {
  const facts: DatabaseFacts = {
    journalMode: "wal",
    version: SCHEMA_VERSION,
    bytes: GB,
    freeBytes: 0,
    damage: [],
    misfits: [],
    payloads: [],
    drift: [],
    backlog: { ready: [], held: new Map() },
  };
  expect(wrongIn(databaseFindings(facts, false))).toEqual([]);
  expect(wrongIn(databaseFindings({ ...facts, pendingWal: 50_000_000, freeBytes: 0.6 * GB }, false))).toEqual([
    "warning checkpoint",
    "note space",
  ]);
  const drift = Array.from({ length: 7 }, (_, i) => ({ is: "missing" as const, type: "index", name: `i${i}` }));
  expect(databaseFindings({ ...facts, drift }, false).find(({ check }) => check === "drift")?.text).toMatch(/index i4 and 2 more$/);
});

describe("of the work", () => {
  const now = Date.UTC(2026, 0, 1);
  const alive = {
    id: "w",
    host: "h",
    pid: 1,
    queues: ["high"],
    tasks: [],
    concurrency: 1,
    startedAt: new Date(now),
    seenAt: new Date(now),
    alive: true,
    gone: false,
  };
  const work: Work = { schedules: [], queues: [], workers: [alive], backlog: { ready: [], held: new Map() }, now };
  const late = new Schedule({ id: "late", interval: "1h", createdAt: new Date(now - 10_000_000) });

  const brokenOne = (i: number) =>
    Object.assign(new Schedule({ id: `b${i}`, interval: "1h", createdAt: new Date(now - 10_000_000) }), { broken: "Expected so" });

  test.each<[string, Partial<Work>, readonly string[]]>([
    ["well", {}, []],
    ["one that is broken is not late", { schedules: [brokenOne(0)] }, ["problem schedules.broken"]],
    [
      "one that is broken and paused",
      { schedules: [Object.assign(brokenOne(0), { status: "paused" as const })] },
      ["warning schedules.broken"],
    ],
    [
      "many that are broken",
      { schedules: Array.from({ length: 7 }, (_, i) => brokenOne(i)) },
      [...Array.from({ length: 5 }, () => "problem schedules.broken"), "warning schedules.broken"],
    ],
    ["late schedules beside a live worker are a problem", { schedules: [late] }, ["problem schedules.late"]],
    [
      "a served queue that is behind",
      { backlog: { ready: [{ queue: "high", tasks: 3, oldest: now - 400_000 }], held: new Map() } },
      ["warning queues.behind"],
    ],
    ["a served queue that is busy", { backlog: { ready: [{ queue: "high", tasks: 3, oldest: now - 200_000 }], held: new Map() } }, []],
    [
      "a queue that nobody serves",
      { backlog: { ready: [{ queue: "low", tasks: 1, oldest: now }], held: new Map() } },
      ["warning queues.no-worker"],
    ],
    ["a silent worker without tasks is none", { workers: [alive, { ...alive, id: "s", alive: false }] }, []],
    [
      "a worker that has ended and holds tasks",
      { workers: [alive, { ...alive, id: "s", alive: false, gone: true }], backlog: { ready: [], held: new Map([["s", 2]]) } },
      ["warning workers.silent"],
    ],
    ["no worker", { workers: [] }, ["note workers"]],
  ])("%s", (_, facts, wrong) => {
    expect(wrongIn(workFindings({ ...work, ...facts }))).toEqual(wrong);
  });
});
