import { describe, expect, test } from "vitest";
import { InvalidOptionError } from "../../../src/core/errors.ts";
import { didYouMean, nearest, refuseUnknown } from "../../../src/core/nearest.ts";

const known = ["maxRetries", "retryDelay", "timeout", "ttl", "queueName"];

describe("nearest", () => {
  test.each([
    ["maxRetrys", "maxRetries"],
    ["max_retries", "maxRetries"],
    ["MAXRETRIES", "maxRetries"],
    ["time-out", "timeout"],
    ["tlt", undefined],
    ["tl", "ttl"],
    ["queue", "queueName"],
    ["delay", "retryDelay"],
    ["qu", undefined],
    ["queuName", "queueName"],
    ["", undefined],
    ["x".repeat(10_000), undefined],
  ])("%s means %s", (name, wanted) => {
    expect(nearest(name, known)).toBe(wanted);
  });

  test("picks the nearest of several, the first of equals", () => {
    expect(nearest("retryDelai", ["retryDelays", "retryDelay"])).toBe("retryDelay");
    expect(nearest("ab", ["ac", "ad"])).toBe("ac");
    expect(nearest("a", ["", "ab"])).toBe("");
  });
});

describe("didYouMean", () => {
  test("names the nearest, or all that are known", () => {
    expect(didYouMean("timeot", known)).toBe(" Did you mean `timeout`?");
    expect(didYouMean("zzzzzz", ["a1b2", "ttl"])).toBe(" Known are: a1b2, ttl.");
  });
});

describe("refuseUnknown", () => {
  test("lets known options pass", () => {
    expect(() => {
      refuseUnknown({ ttl: 1, timeout: undefined }, known, "the options");
    }).not.toThrow();
  });

  test("refuses the first unknown one", () => {
    expect(() => {
      refuseUnknown({ ttl: 1, timeOut: 2 }, known, "the options of `enqueue`");
    }).toThrow(
      new InvalidOptionError(
        "UNKNOWN_OPTION",
        "Expected the options of `enqueue` to have known options only, got `timeOut`. Did you mean `timeout`?",
      ),
    );
    expect(() => {
      refuseUnknown(JSON.parse('{"__proto__":1}') as object, known, "the options");
    }).toThrow("got `__proto__`");
  });
});
