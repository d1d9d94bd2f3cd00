import { describe, expect, test } from "vitest";
import { plain, plainJson } from "../../../src/core/plain.ts";

const HOSTILE = "a\n\t\r\u001b[2J\u009b\u202e\u2028z";

describe("text that nothing obeys", () => {
  test("shows control characters", () => {
    expect(plain(HOSTILE)).toBe("a\\n\\t\\r\\x1b[2J\\x9b\\u202e\\u2028z");
    expect(plain("é 漢 👍")).toBe("é 漢 👍");
  });

  test("of JSON stays the same value", () => {
    const json = plainJson(JSON.stringify({ [HOSTILE]: HOSTILE }));
    expect(JSON.parse(json)).toEqual({ [HOSTILE]: HOSTILE });
    expect(json).toContain("\\u001b[2J\\u009b\\u202e\\u2028z");
  });
});
