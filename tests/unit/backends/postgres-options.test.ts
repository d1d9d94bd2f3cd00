/** What the backend refuses before it connects, and what it shows of a URL. */
import { describe, expect, test } from "vitest";
import { queryTimeoutOf } from "../../../src/backends/postgres/options.ts";
import { isPostgresUrl } from "../../../src/core/url.ts";
import { PostgresBackend } from "../../../src/postgres.ts";

describe("a URL", () => {
  test.each([
    "postgres://host",
    "postgres://host/",
    "postgres://user@host:5432/shop",
    "postgresql://user:p%2Fw%40d@host/shop?sslmode=require",
    "postgres:///shop?host=/var/run/postgresql",
  ])("%s is one", (url) => {
    expect(isPostgresUrl(url)).toBe(true);
    expect(() => new PostgresBackend({ url })).not.toThrow();
  });

  test.each([
    "postgres://user:12/secret@host:5432/shop",
    "postgres://user:p@secret/x@host/shop",
    "postgres://user:12?secret@host/shop",
    "postgres://user:12#secret@host/shop",
    "postgres://user:sec ret@host/shop",
    "mysql://user:secret@host/shop",
    "postgres:",
  ])("%s is none, and nothing of it is shown", (url) => {
    expect(isPostgresUrl(url)).toBe(false);
    const text = ((): string => {
      try {
        return new PostgresBackend({ url }).projectName;
      } catch (error) {
        return String(error);
      }
    })();
    expect(text).toContain("Expected `url` to be postgres://");
    expect(text).not.toMatch(/secret|ret@/);
  });

  test("says how many connections there may be, from two on", () => {
    expect(() => new PostgresBackend({ url: "postgres://host/shop?connections=4" })).not.toThrow();
    for (const said of ["1", "0", "many", "", "-4", "2.5"])
      expect(() => new PostgresBackend({ url: `postgres://host/shop?connections=${said}` })).toThrow(
        "`connections` to be a whole number from 2 on",
      );
  });

  test("says how long a statement may take, where no option does", () => {
    expect(() => new PostgresBackend({ url: "postgres://host/shop?queryTimeout=30s" })).not.toThrow();
    for (const said of ["0", "soon", "25h", "-1s"])
      expect(() => new PostgresBackend({ url: `postgres://host/shop?queryTimeout=${said}` })).toThrow(
        "Expected `queryTimeout` to be a duration",
      );
    expect(() => new PostgresBackend({ queryTimeout: 0 })).toThrow("from 1 millisecond to a day, got 0");
    expect(queryTimeoutOf({})).toBe(10_000);
    expect(queryTimeoutOf({ url: "postgres://host/shop?queryTimeout=30s" })).toBe(30_000);
    expect(queryTimeoutOf({ url: "postgres://host/shop?queryTimeout=30s", queryTimeout: "2s" })).toBe(2_000);
  });

  test.each(["pg_catalog", "PG_x", "information_schema", "", "1a", "a b", `a"b`, "a".repeat(51)])(
    "a schema %j is none for tables",
    (schema) => {
      expect(() => new PostgresBackend({ schema })).toThrow("Expected `schema` to be 1 to 50 letters, digits and `_`, not beginning with");
    },
  );

  test("?schema= is an option, and would be passed over", () => {
    expect(() => new PostgresBackend({ url: "postgres://host/shop?schema=mine" })).toThrow("option of its own: `schema`");
  });
});
