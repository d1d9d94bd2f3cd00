/** Which claims are strays: neither those whose answer is on its way, nor those that are claimed during the look. */
import { describe, expect, test } from "vitest";
import { Ledger } from "../../../src/backends/postgres/ledger.ts";
import type { Known } from "../../../src/backends/postgres/ledger.ts";
import type { Claim, Claims } from "../../../src/core/backend.ts";

const claimOf = (id: string, fence = 1): Claim => ({ task: { id } as Claim["task"], fence, for: "run" });
const answerOf = (...ids: readonly string[]): Claims => ({ claims: ids.map((id) => claimOf(id)), more: false });
const idsOf = ({ claims }: Claims): readonly string[] => claims.map(({ task }) => task.id);

describe("the ledger", () => {
  test("what two beats found and nobody knows of is looked for; what one beat found was on its way", async () => {
    const ledger = new Ledger();
    const looks: (readonly Known[])[] = [];
    const strays = (known: readonly Known[]): Promise<readonly Claim[]> => {
      looks.push(known);
      return Promise.resolve([claimOf("stray", 2)]);
    };
    const claim = (...ids: readonly string[]): Promise<Claims> => ledger.claim("w", () => Promise.resolve(answerOf(...ids)), strays);
    expect(idsOf(await claim("a"))).toEqual(["a"]);
    ledger.heldBy("w", [
      { i: "a", f: 1 },
      { i: "late", f: 1 },
      { i: "stray", f: 1 },
    ]);
    expect(idsOf(await claim("late"))).toEqual(["late"]);
    ledger.heldBy("w", [{ i: "stray", f: 1 }]);
    expect(idsOf(await claim("b"))).toEqual(["stray"]);
    expect(looks).toEqual([
      [
        { i: "a", f: 1 },
        { i: "late", f: 1 },
      ],
    ]);
    expect(idsOf(await claim("b"))).toEqual(["b"]);
  });

  test("a claim that comes during a look waits for its end", async () => {
    const ledger = new Ledger();
    let answer: (found: readonly Claim[]) => void = () => undefined;
    const look = new Promise<readonly Claim[]>((resolve) => (answer = resolve));
    const steps: string[] = [];
    const strays = (): Promise<readonly Claim[]> => {
      steps.push("look");
      return look;
    };
    const claim = (id: string): Promise<Claims> =>
      ledger.claim(
        "w",
        () => {
          steps.push(id);
          return Promise.resolve(answerOf(id));
        },
        strays,
      );
    await expect(ledger.claim("w", () => Promise.reject(new Error("lost")), strays)).rejects.toThrow("lost");
    const [first, second] = [claim("first"), claim("second")];
    await new Promise((resolve) => setImmediate(resolve));
    expect(steps).toEqual(["look"]);
    answer([claimOf("stray")]);
    expect([idsOf(await first), idsOf(await second)]).toEqual([["stray"], ["second"]]);
  });

  test("a look that fails is made again", async () => {
    const ledger = new Ledger();
    const looks = [Promise.reject(new Error("lost again")), Promise.resolve([claimOf("stray")])];
    const claim = (): Promise<Claims> =>
      ledger.claim(
        "w",
        () => Promise.resolve(answerOf("a")),
        () => looks.shift() ?? Promise.resolve([]),
      );
    await expect(
      ledger.claim(
        "w",
        () => Promise.reject(new Error("lost")),
        () => Promise.resolve([]),
      ),
    ).rejects.toThrow("lost");
    await expect(claim()).rejects.toThrow("lost again");
    expect(idsOf(await claim())).toEqual(["stray"]);
    expect(idsOf(await claim())).toEqual(["a"]);
  });
});
