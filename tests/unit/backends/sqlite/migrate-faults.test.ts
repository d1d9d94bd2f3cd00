/** Migrations that are cut off, by a kill, a power cut or a full disk: the file is of the old version or of the new one, never between. */
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { nodeLibrary } from "../../../../src/backends/sqlite/library.ts";
import type { Connection, Library } from "../../../../src/backends/sqlite/library.ts";
import { tryOpen } from "../../../../src/backends/sqlite/open.ts";
import { MIGRATIONS } from "../../../../src/backends/sqlite/schema.ts";
import { StorageError } from "../../../../src/core/errors.ts";
import { OmniQ } from "../../../../src/index.ts";

const FIXTURES = new URL("../../../fixtures/schema/", import.meta.url);
const FRAME = 4_096 + 24;
const HEADER = 32;

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "omniq-migrate-faults-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** A file as that version left it; version 0 is none. */
function made(version: number, path: string): string {
  if (version === 0) return path;
  const db = new DatabaseSync(path);
  db.exec("PRAGMA journal_mode = WAL");
  db.exec(readFileSync(new URL(`v${version}.sql`, FIXTURES), "utf8"));
  db.close();
  return path;
}

/** Statements of a text; those of a trigger's body stay with it. */
const statementsOf = (sql: string): readonly string[] => sql.split(/;\s*\n(?=ALTER|CREATE)/).filter((each) => each.trim() !== "");

/** `node:sqlite` that calls `before` in front of each statement that is no query. */
function watched(before: (connection: Connection, sql: string) => void): Library {
  return {
    ...nodeLibrary,
    open(path, options) {
      const connection = nodeLibrary.open(path, options);
      return {
        ...connection,
        get inTransaction() {
          return connection.inTransaction;
        },
        exec(sql) {
          for (const statement of statementsOf(sql)) {
            before(connection, statement);
            connection.exec(statement);
          }
        },
      };
    },
  };
}

const placeOf = (path: string, library: Library) =>
  ({ path, library, durability: "full", tablePrefix: "", makeFolder: false, anyFileSystem: false }) as const;

/** The version that a file has, after it was looked at whole. */
function versionOf(path: string): number {
  const db = new DatabaseSync(path);
  try {
    expect(db.prepare("PRAGMA integrity_check").all()).toEqual([{ integrity_check: "ok" }]);
    const tables = db.prepare("SELECT count(*) AS n FROM sqlite_schema WHERE name = 'omniq_meta'").get();
    if (tables?.["n"] === 0) {
      expect(db.prepare("SELECT name FROM sqlite_schema").all()).toEqual([]);
      return 0;
    }
    const version = Number(db.prepare("SELECT value FROM omniq_meta WHERE key = 'schema_version'").get()?.["value"]);
    const columns = db.prepare("SELECT name FROM pragma_table_info('schedules')").all();
    const names = new Set(columns.map(({ name }) => name));
    expect([names.has("policy"), names.has("checksum")]).toEqual([version >= 2, version >= 3]);
    return version;
  } finally {
    db.close();
  }
}

/** What a kill leaves behind: the file and its WAL as they are now. */
function imageOf(path: string, at: string): string {
  mkdirSync(at);
  const image = join(at, "image.db");
  for (const ending of ["", "-wal"]) if (existsSync(`${path}${ending}`)) copyFileSync(`${path}${ending}`, `${image}${ending}`);
  return image;
}

async function opens(path: string, version: number): Promise<void> {
  const omniq = new OmniQ({ url: `sqlite:${path}` });
  expect((await omniq.tasks.find()).items.length > 0).toBe(version > 0);
  await omniq.close();
  expect(versionOf(path)).toBe(MIGRATIONS.length);
}

const from = MIGRATIONS.map((_, version) => version);

describe.each(from)("from version %d", (version) => {
  test("killed in front of any statement", async () => {
    const path = made(version, join(folder, "v.db"));
    const images: string[] = [];
    const library = watched(() => {
      images.push(imageOf(path, join(folder, `at-${images.length}`)));
    });
    tryOpen(placeOf(path, library), 0)?.connection.close();
    expect(versionOf(path)).toBe(MIGRATIONS.length);
    // Settings of the connection, BEGIN, the steps, COMMIT.
    expect(images.length).toBeGreaterThan(statementsOf(MIGRATIONS.slice(version).join("\n")).length + 6);
    for (const image of images) {
      expect(existsSync(image) ? versionOf(image) : 0).toBe(version);
      await opens(image, version);
    }
  });

  test("with the power cut at any place of its commit", async () => {
    const path = made(version, join(folder, "v.db"));
    const db = tryOpen(placeOf(path, nodeLibrary), 0);
    const image = imageOf(path, join(folder, "whole"));
    db?.connection.close();
    const wal = readFileSync(`${image}-wal`);
    const seen = new Set<number>();
    for (let end = HEADER; end <= wal.length; end += FRAME / 2) {
      const cut = imageOf(image, join(folder, `cut-${end}`));
      writeFileSync(`${cut}-wal`, wal.subarray(0, end));
      seen.add(versionOf(cut));
    }
    expect([...seen].toSorted((a, b) => a - b)).toEqual([version, MIGRATIONS.length]);
  });

  test("on a disk that is full sooner or later: it is told, and done when there is room", async () => {
    let refused = 0;
    for (let room = 0; ; room++) {
      const path = made(version, join(folder, `${room}.db`));
      const library = watched((connection, sql) => {
        if (!sql.startsWith("BEGIN")) return;
        const pages = Number(connection.prepare("PRAGMA page_count").get()?.["page_count"]);
        connection.exec(`PRAGMA max_page_count = ${Math.max(1, pages + room)}`);
      });
      try {
        tryOpen(placeOf(path, library), 0)?.connection.close();
        expect(versionOf(path)).toBe(MIGRATIONS.length);
        break;
      } catch (error) {
        expect(error).toMatchObject({ code: "STORAGE_FULL" });
        expect(error).toBeInstanceOf(StorageError);
        refused++;
        expect(versionOf(path)).toBe(version);
        if (room === 0) await opens(path, version);
      }
    }
    // A step that only adds a column finds room in the pages that are there.
    if (version === 0) expect(refused).toBeGreaterThan(5);
  });
});
