import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Watcher } from "../../../src/cli/dev/watcher.ts";

let dir = "";
let watcher: Watcher;
let told: (readonly string[])[] = [];
const at = (name: string): string => join(dir, name);
const write = (name: string, text: string): void => {
  writeFileSync(at(name), text);
};

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  dir = mkdtempSync(join(tmpdir(), "omniq-watch-"));
  told = [];
  watcher = new Watcher((files) => told.push(files));
});
afterEach(() => {
  watcher.close();
  vi.useRealTimers();
  rmSync(dir, { recursive: true });
});

test("tells what has changed, come or gone, once it is quiet", () => {
  for (const name of ["a", "b", "c"]) write(name, "1");
  for (const name of ["a", "b", "c", "later"]) watcher.add(at(name));
  vi.advanceTimersByTime(1_000);
  expect(told).toEqual([]);
  write("a", "22");
  vi.advanceTimersByTime(200);
  write("later", "1");
  vi.advanceTimersByTime(200);
  expect(told).toEqual([]);
  vi.advanceTimersByTime(200);
  expect(told).toEqual([[at("a"), at("later")]]);
  rmSync(at("b"));
  vi.advanceTimersByTime(1_000);
  expect(told.slice(1)).toEqual([[at("b")]]);
});

test("a file that is added again is not forgotten for it", () => {
  write("a", "1");
  watcher.add(at("a"));
  write("a", "22");
  watcher.add(at("a"));
  vi.advanceTimersByTime(400);
  expect(told).toEqual([[at("a")]]);
});
