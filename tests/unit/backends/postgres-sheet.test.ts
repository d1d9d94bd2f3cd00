/** Rows as an array for each column: what a server would read back. */
import { expect, test } from "vitest";
import { Sheet } from "../../../src/backends/postgres/sheet.ts";

interface Row {
  readonly t?: string;
  readonly n?: number;
  readonly x?: number;
}

const SHEET = new Sheet<Row>("r", [
  ["t", "text", ({ t }) => t],
  ["n", "bigint", ({ n }) => n],
  ["x", "double precision", ({ x }) => x],
]);

test("its parameters are numbered from where it begins, each by way of a text", () => {
  expect(SHEET.from(4)).toBe('unnest($4::text::text[], $5::text::bigint[], $6::text::double precision[]) AS r("t", "n", "x")');
  expect(SHEET.width).toBe(3);
});

test("a cell that is absent is NULL, and so is a column that no row has anything in", () => {
  expect(SHEET.params([{ t: "a", n: 1 }, { n: 2 }])).toEqual(['{"a",NULL}', "{1,2}", null]);
  expect(SHEET.params([])).toEqual([null, null, null]);
});

test("whatever a text is, it is one element, and none is taken for NULL or for what parts elements", () => {
  const texts = ["", "NULL", "a,b", "{}", 'say "no"', String.raw`C:\temp\"`, " ", "\n", "ä😀", '\t"\\'];
  expect(SHEET.params(texts.map((t) => ({ t })))[0]).toBe(
    String.raw`{"","NULL","a,b","{}","say \"no\"","C:\\temp\\\""," ","` + '\n","ä😀","\t\\"\\\\"}',
  );
});

test("numbers are written as JavaScript tells them", () => {
  expect(SHEET.params([{ x: 0.0123 }, { x: 1e-7 }, { x: -0 }, { n: Number.MIN_SAFE_INTEGER }]).slice(1)).toEqual([
    "{NULL,NULL,NULL,-9007199254740991}",
    "{0.0123,1e-7,0,NULL}",
  ]);
});
