/** When the stores are opened and closed, and by whom. */
import { beforeEach, describe, expect, test, vi } from "vitest";
import { Access } from "../../../src/runtime/access.ts";
import { Stores } from "../../../src/runtime/stores.ts";
import { ModelBackend, TestClock } from "../../../src/testing/index.ts";

describe("the way to the stores", () => {
  let backend: ModelBackend;
  let make: () => Promise<Stores>;
  let access: Access;
  beforeEach(() => {
    backend = new ModelBackend({ clock: new TestClock() });
    make = vi.fn(() => Promise.resolve(new Stores(backend)));
    access = new Access({ make });
  });
  const nothing = (): Promise<void> => Promise.resolve();

  test("is opened once, when first used; then what is done begins at once", async () => {
    expect(make).not.toHaveBeenCalled();
    await Promise.all([access.use(nothing), access.use(nothing), access.open()]);
    expect(make).toHaveBeenCalledOnce();
    expect(backend.isOpen).toBe(true);
    const begun = vi.fn(nothing);
    const done = access.use(begun);
    expect(begun).toHaveBeenCalledOnce();
    await done;
  });

  test("close refuses what comes, waits for what is under way, and then closes", async () => {
    let finish = (): void => {};
    const work = access.use(() => new Promise<void>((resolve) => (finish = resolve)));
    await vi.waitFor(() => expect(backend.isOpen).toBe(true));
    const told = vi.fn();
    access.onClose(told);
    access.onClose(vi.fn())();
    const last = vi.fn(nothing);
    const closing = access.close(last);
    expect(access.close(last)).toBe(closing);
    expect(told).toHaveBeenCalledOnce();
    expect([access.closed, access.now]).toEqual([true, undefined]);
    await expect(access.use(nothing)).rejects.toMatchObject({ code: "CLOSED" });
    await expect(access.open()).rejects.toMatchObject({ code: "CLOSED" });
    expect(() => access.openNow()).toThrow("but it was closed");
    expect(last).not.toHaveBeenCalled();
    finish();
    await Promise.all([work, closing]);
    expect(last).toHaveBeenCalledOnce();
    expect(backend.isOpen).toBe(false);
  });

  test("what is closed while it opens does nothing", async () => {
    const begun = vi.fn(nothing);
    const work = access.use(begun);
    const closing = access.close(nothing);
    await expect(work).rejects.toMatchObject({ code: "CLOSED" });
    await closing;
    expect(begun).not.toHaveBeenCalled();
    expect(backend.isOpen).toBe(false);
  });

  test("closes what it opened also when the last thing fails", async () => {
    await access.open();
    await expect(access.close(() => Promise.reject(new Error("gone")))).rejects.toThrow("gone");
    expect(backend.isOpen).toBe(false);
  });

  test("opens without waiting only what was handed in", async () => {
    expect(() => access.openNow()).toThrow("call `await omniq.open()` first");
    const stores = new Stores(backend);
    const handed = new Access({ make, makeNow: () => stores });
    expect(handed.openNow()).toBe(stores);
    expect(handed.openNow()).toBe(stores);
    expect(backend.isOpen).toBe(true);
    expect(await handed.open()).toBe(stores);
    await handed.close(nothing);
    expect(backend.isOpen).toBe(false);
  });
});
