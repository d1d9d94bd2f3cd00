/** The disk of the torture keeps what was synced, and of the rest whatever chance leaves. */
import { describe, expect, test } from "vitest";
import { Dice } from "../../../src/testing/conformance/dice.ts";
import { Disk, FOLDER } from "../../torture/power/disk.ts";
import type { Change, Operation } from "../../torture/power/log.ts";

const change = (operation: Operation, offset = 0, text = "", file = "db"): Change => ({ operation, file, offset, data: Buffer.from(text) });

/** What is left after each of so many cuts. */
function leftOf(changes: readonly Change[], cuts = 300): ReadonlySet<string | undefined> {
  const disk = new Disk();
  for (const each of changes) disk.take(each);
  const dice = new Dice(1);
  return new Set(Array.from({ length: cuts }, () => disk.afterCut(dice).get("db")?.toString()));
}

describe("after a cut", () => {
  test("what was synced is there, always", () => {
    expect(leftOf([change("W", 0, "abc"), change("W", 1, "x"), change("S")])).toEqual(new Set(["axc"]));
  });

  test("what was not is there or not, each write by itself", () => {
    const left = leftOf([change("W", 0, "abc"), change("S"), change("W", 0, "x"), change("W", 2, "y")]);
    expect(left).toEqual(new Set(["abc", "xbc", "aby", "xby"]));
  });

  test("a file that was never synced may be missing", () => {
    expect(leftOf([change("W", 0, "a")])).toEqual(new Set([undefined, "a", ""]));
  });

  test("a write is torn where a sector ends", () => {
    const left = leftOf([change("W", 0, "a".repeat(1_024)), change("S"), change("W", 0, "b".repeat(1_024))]);
    expect(new Set([...left].map((text) => text?.lastIndexOf("b")))).toEqual(new Set([-1, 511, 1_023]));
  });

  test("a truncation may not have come to the disk; a removal lasts when its folder was synced", () => {
    expect(leftOf([change("W", 0, "abc"), change("S"), change("T", 1)])).toEqual(new Set(["abc", "a"]));
    const removed = [change("W", 0, "abc"), change("S"), change("U")];
    expect(leftOf(removed)).toEqual(new Set(["abc", undefined]));
    expect(leftOf([...removed, change("S", 0, "", FOLDER)])).toEqual(new Set([undefined]));
    expect(leftOf([...removed, change("W", 0, "new"), change("S")])).toEqual(new Set(["new"]));
  });
});

test("the process itself sees all that it wrote", () => {
  const disk = new Disk();
  for (const each of [change("W", 0, "abc"), change("S"), change("T", 1), change("W", 3, "d")]) disk.take(each);
  expect(disk.asWritten().get("db")).toEqual(Buffer.from("a\0\0d"));
});
