/** What becomes part of a statement's text instead of being bound: the names that whoever opens a backend chose. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { OmniQError } from "../../../src/index.ts";
import { PostgresBackend } from "../../../src/postgres.ts";
import { SQLiteBackend } from "../../../src/sqlite.ts";
import { FUZZ, hostileText, runs } from "../../fixtures/hostile.ts";

const almost = fc
  .tuple(
    fc.stringMatching(/^[a-z_]{0,70}$/),
    fc.constantFrom("", "'", '"', "$$", "%", "\n", "\0", "é", "K", " ", "{tasks}", "-", ";"),
    fc.stringMatching(/^[a-z0-9_]{0,5}$/),
  )
  .map((parts) => parts.join(""));

test.each<[string, (name: string) => unknown]>([
  ["the prefix of tables", (tablePrefix) => new SQLiteBackend({ path: ":memory:", tablePrefix })],
  ["a schema", (schema) => new PostgresBackend({ url: "postgres://host/shop", schema })],
])("%s is letters, digits and underscores, whatever is asked for", FUZZ, (_, make) => {
  let [taken, refused] = [0, 0];
  fc.assert(
    fc.property(fc.oneof(hostileText, almost), (name) => {
      try {
        make(name);
      } catch (error) {
        expect(error).toBeInstanceOf(OmniQError);
        refused++;
        return;
      }
      expect(name).toMatch(/^[A-Za-z0-9_]{0,63}$/);
      taken++;
    }),
    runs(2_000),
  );
  expect(Math.min(taken, refused)).toBeGreaterThan(20);
});
