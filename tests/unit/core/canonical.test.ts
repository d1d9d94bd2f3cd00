import { expect, test } from "vitest";
import { canonical } from "../../../src/core/canonical.ts";

test("the order of keys does not count, at any depth; that of a list does", () => {
  expect(canonical({ b: [{ d: 1, c: null }], a: "x" })).toBe('{"a":"x","b":[{"c":null,"d":1}]}');
  expect(canonical({ a: "x", b: [{ c: null, d: 1 }] })).toBe(canonical({ b: [{ d: 1, c: null }], a: "x" }));
  expect(canonical([1, 2])).not.toBe(canonical([2, 1]));
});

test("what is absent counts like what is undefined", () => {
  expect(canonical({ a: undefined })).toBe(canonical({}));
});
