import { isDeepStrictEqual } from "node:util";
import * as fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { decode, encode, formOf, PAYLOAD_LIMIT, withKeys } from "../../../src/core/codec.ts";
import { PayloadError } from "../../../src/core/errors.ts";
import { FUZZ, hostileText, hostileValue, runs, sameValue, sharedPrototypes } from "../../fixtures/hostile.ts";

/** The error that a call throws. */
function thrown(fn: () => unknown): PayloadError {
  try {
    fn();
  } catch (error) {
    if (error instanceof PayloadError) return error;
    throw error;
  }
  throw new Error("Expected a PayloadError");
}

/** `levels` objects around a number. */
function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < levels; i++) value = { a: value };
  return value;
}

function raise(): never {
  throw new TypeError("no");
}
function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}
function argumentsOf(): unknown {
  // oxlint-disable-next-line prefer-rest-params -- the old form is what is tested
  return arguments;
}

const hostileKey = fc.oneof(
  fc.string(),
  fc.constantFrom("__proto__", "constructor", "prototype", "toJSON", "$omniq", "v", "t", "toString"),
);

/** Whatever the codec says it keeps. Own properties only, made so that `__proto__` is a key like any other. */
const supported = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.oneof(
      fc.string({ unit: "binary" }),
      fc.double(),
      fc.integer(),
      fc.boolean(),
      fc.constantFrom(null, undefined, Number.NaN, -0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, "$omniq"),
      fc.bigInt(),
      fc.date({ noInvalidDate: true }),
      fc.webUrl().map((url) => new URL(url)),
      fc.uint8Array(),
      fc.uint8Array().map((bytes) => Buffer.from(bytes)),
      fc.uint8Array().map((bytes) => bytes.slice().buffer),
      fc.int16Array(),
      fc.uint16Array(),
      fc.int32Array(),
      fc.uint32Array(),
      fc.int8Array(),
      fc.uint8ClampedArray(),
      fc.float32Array({ noNaN: true }),
      fc.float64Array({ noNaN: true }),
      fc.bigInt64Array(),
      fc.bigUint64Array(),
    ),
    fc.array(tie("value"), { maxLength: 5 }),
    fc.array(fc.tuple(hostileKey, tie("value")), { maxLength: 5 }).map((pairs) => fromPairs(pairs)),
    fc.array(fc.tuple(tie("value"), tie("value")), { maxLength: 3 }).map((pairs) => new Map(pairs)),
    fc.array(tie("value"), { maxLength: 3 }).map((items) => new Set(items)),
  ),
})).value;

function fromPairs(pairs: readonly (readonly [string, unknown])[]): object {
  const out = {};
  for (const [key, value] of pairs) Object.defineProperty(out, key, { value, enumerable: true, configurable: true, writable: true });
  return out;
}

describe("what is kept", () => {
  test("anything supported comes back deeply equal, prototypes included", FUZZ, () => {
    fc.assert(
      fc.property(supported, (value) => {
        expect(isDeepStrictEqual(decode(encode(value)), value)).toBe(true);
      }),
      runs(1_000),
    );
  });

  test("plain data is byte-identical to JSON", FUZZ, () => {
    // Through JSON once: -0 is not plain data.
    const plain = fc.jsonValue().map((value): unknown => JSON.parse(JSON.stringify(value)));
    fc.assert(
      fc.property(plain, (value) => {
        expect(encode(value)).toBe(JSON.stringify(value));
        expect(formOf(encode(value))).toBe("json");
      }),
      runs(500),
    );
    expect(encode({ b: 1, a: [true, null, "é\u2028"], "2": {} })).toBe('{"2":{},"b":1,"a":[true,null,"é\u2028"]}');
  });

  test.each([
    ["undefined in an object", { a: undefined }, '{"a":{"$omniq":"undefined"}}'],
    ["undefined alone", undefined, '{"$omniq":"undefined"}'],
    ["NaN", [1, Number.NaN, 2], '[1,{"$omniq":"number","v":"NaN"},2]'],
    ["minus zero", -0, '{"$omniq":"number","v":"-0"}'],
    ["a bigint", 10n ** 30n, '{"$omniq":"bigint","v":"1000000000000000000000000000000"}'],
    ["a date", new Date(0), '{"$omniq":"date","v":"1970-01-01T00:00:00.000Z"}'],
    ["a map", new Map([["k", 1n]]), '{"$omniq":"map","v":[["k",{"$omniq":"bigint","v":"1"}]]}'],
    ["a set", new Set([1]), '{"$omniq":"set","v":[1]}'],
    ["a URL", new URL("https://example.com/a"), '{"$omniq":"url","v":"https://example.com/a"}'],
    ["bytes", new Uint8Array([1, 2]), '{"$omniq":"bytes","t":"Uint8Array","v":"AQI="}'],
    ["a tag of the user's own", { $omniq: "date" }, '{"$omniq":"object","v":[["$omniq","date"]]}'],
  ])("%s is written as a tag", (_, value, text) => {
    expect(encode(value)).toBe(text);
    expect(formOf(text)).toBe("tagged");
    expect(isDeepStrictEqual(decode(text), value)).toBe(true);
  });

  test("an invalid date stays one", () => {
    expect(decode(encode(new Date(Number.NaN)))).toEqual(new Date(Number.NaN));
  });

  test("a part of a buffer is stored without the rest of it", () => {
    const bytes = new Uint8Array([9, 1, 2, 9]).subarray(1, 3);
    expect(decode(encode(bytes))).toEqual(new Uint8Array([1, 2]));
  });

  test("an error keeps its name, message, stack, code and cause, and comes back as a plain Error", () => {
    class OddError extends RangeError {
      code = "E_ODD";
      override name = "OddError";
    }
    const error = new OddError("odd", { cause: new Error("why", { cause: [1n] }) });
    const back = decode(encode({ error }));
    const got = (back as { error: Error & { code?: string; cause?: Error } }).error;
    expect(got.constructor).toBe(Error);
    expect([got.name, got.message, got.stack, got.code]).toEqual(["OddError", "odd", error.stack, "E_ODD"]);
    expect(got.cause).toBeInstanceOf(Error);
    expect(got.cause?.cause).toEqual([1n]);
    expect(Object.keys(got)).toEqual(["code"]);
  });

  test("an error without stack, code and cause", () => {
    const error = new Error("bare");
    Object.defineProperty(error, "stack", { value: undefined });
    const back = decode(encode(error));
    expect(back).toBeInstanceOf(Error);
    expect(back).not.toHaveProperty("code");
    expect(back).toHaveProperty("stack", undefined);
    expect(back).not.toHaveProperty("cause");
  });

  test("an object without prototype and one with getters are kept as plain data", () => {
    const bare: unknown = Object.assign(Object.create(null) as object, { a: 1 });
    expect(encode(bare)).toBe('{"a":1}');
    let reads = 0;
    const counting = {
      get a(): number {
        return ++reads;
      },
    };
    expect(encode(counting)).toBe('{"a":1}');
    expect(reads).toBe(1);
  });

  test("the same object twice is no circle", () => {
    const shared = { a: 1 };
    expect(decode(encode([shared, shared]))).toEqual([shared, shared]);
  });

  test("a hidden toJSON writes nothing of its own", () => {
    const hidden = Object.defineProperty({ a: 1 }, "toJSON", { value: () => "other" });
    const listing = Object.defineProperty([1, 2], "toJSON", { value: () => "other" });
    expect(encode(hidden)).toBe('{"a":1}');
    expect(encode(listing)).toBe("[1,2]");
  });

  test("what is checked is what is stored: each property is read once", () => {
    const odd = (values: readonly unknown[]): PropertyDescriptor => {
      let reads = 0;
      return { get: () => values[reads++], enumerable: true };
    };
    expect(encode(Object.defineProperty({ a: 1n }, "b", odd([1, raise])))).toBe('{"a":{"$omniq":"bigint","v":"1"},"b":1}');
    expect(encode(Object.defineProperty([], 0, odd(["first", undefined])))).toBe('["first"]');
    const anything = new Proxy({ a: 1 }, { get: (target, key) => Reflect.get(target, key) ?? (() => "other") });
    expect(encode(anything)).toBe('{"a":1}');
    expect(encode(Object.create(null, { rawJSON: { value: "1", enumerable: true } }))).toBe('{"rawJSON":"1"}');
    expect(encode({ raw: (JSON as unknown as { rawJSON: (text: string) => unknown }).rawJSON("1") })).toBe('{"raw":{"rawJSON":"1"}}');
  });

  test("names that a frozen prototype has stay data", () => {
    const names = { toString: 1, constructor: 2, valueOf: 3 };
    const frozen = Object.getOwnPropertyDescriptor(Object.prototype, "toString") ?? {};
    // oxlint-disable-next-line no-extend-native -- as those do it who freeze what others might change
    Object.defineProperty(Object.prototype, "toString", { ...frozen, writable: false });
    try {
      expect(Object.entries(decode(encode({ ...names, d: 1n })) as object)).toEqual(Object.entries({ ...names, d: 1n }));
    } finally {
      // oxlint-disable-next-line no-extend-native -- put back
      Object.defineProperty(Object.prototype, "toString", frozen);
    }
  });

  test("keys such as __proto__ stay data", () => {
    const value: unknown = JSON.parse('{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},"d":1}');
    const text = encode([value, 1n]);
    const back = decode(text);
    expect(back).toEqual([value, 1n]);
    expect(Object.getPrototypeOf((back as object[])[0])).toBe(Object.prototype);
    expect({}).not.toHaveProperty("polluted");
  });
});

describe("what is refused", () => {
  class Person {
    name = "x";
  }
  const circle: Record<string, unknown> = {};
  circle["a"] = { b: [circle] };
  const inCircle = new Map<unknown, unknown>();
  inCircle.set("k", inCircle);

  test.each<[string, unknown, string]>([
    ["a function", { a: () => 1 }, "Cannot store a function at args.a"],
    ["a symbol", [Symbol("s")], "Cannot store a symbol at args[0]"],
    ["an instance", { a: { "b c": new Person() } }, 'Cannot store an instance of Person (pass plain data instead) at args.a["b c"]'],
    [
      "an instance of a nameless class",
      new (class {
        x = 1;
      })(),
      "Cannot store an instance of a class (pass plain data instead) at args",
    ],
    [
      "an object without constructor",
      Object.create(Object.create(null)),
      "Cannot store an instance of a class (pass plain data instead) at args",
    ],
    [
      "what only looks like bytes",
      Object.create(Uint8Array.prototype),
      "Cannot store an instance of Uint8Array (pass plain data instead) at args",
    ],
    ["a weak map", new WeakMap(), "Cannot store an instance of WeakMap (pass plain data instead) at args"],
    ["a promise", { p: Promise.resolve() }, "Cannot store an instance of Promise (pass plain data instead) at args.p"],
    ["a circle", circle, "Cannot store a circular reference at args.a.b[0]"],
    ["a circle through a map", inCircle, "Cannot store a circular reference at args[0]"],
    // oxlint-disable-next-line no-sparse-arrays -- the hole is what is tested
    ["a hole", [1, , 3], "Cannot store a hole in an array at args[1]"],
    ["a named property of an array", Object.assign([1], { x: 2 }), "Cannot store an array with named properties at args"],
    ["a symbol as a key", { [Symbol("s")]: 1 }, "Cannot store a symbol as a key at args"],
    ["201 levels", nested(202), `Cannot store anything deeper than 200 levels at args${".a".repeat(201)}`],
  ])("%s", (_, value, message) => {
    const error = thrown(() => encode(value, { name: "args" }));
    expect(error.message).toBe(message);
    expect(error.code).toBe("PAYLOAD_REFUSED");
  });

  test("a getter that throws, with the cause", () => {
    const cause = new Error("no");
    const value = {
      get a(): never {
        throw cause;
      },
    };
    const error = thrown(() => encode(value));
    expect(error.message).toBe("Cannot store a property that throws when it is read at value.a");
    expect(error.cause).toBe(cause);
  });

  test.each<[string, unknown]>([
    ["a revoked proxy", revoked()],
    ["a proxy that throws", new Proxy({}, { ownKeys: () => raise() })],
    ["a date that is none", Object.create(Date.prototype)],
    ["a map that is none", Object.create(Map.prototype)],
    ["an error whose name throws", Object.defineProperty(new Error("x"), "name", { get: raise })],
    ["an item that throws", Object.defineProperty([1], 0, { get: raise, enumerable: true })],
  ])("%s, which throws when it is read", (_, value) => {
    const error = thrown(() => encode({ here: value }, { name: "args" }));
    expect([error.code, error.message]).toEqual([
      "PAYLOAD_REFUSED",
      expect.stringMatching(/^Cannot store .* when it is read at args\.here/),
    ]);
    expect(error.cause).toBeInstanceOf(TypeError);
  });

  test.each([
    ["the arguments of a function", argumentsOf(), "Arguments"],
    ["a number in the clothes of an object", Object.setPrototypeOf(Object(5) as object, Object.prototype), "Number"],
    ["a date in the clothes of an object", Object.setPrototypeOf(new Date(), null), "Date"],
  ])("%s", (_, value, kind) => {
    expect(thrown(() => encode([value])).message).toBe(`Cannot store an instance of ${kind} (pass plain data instead) at value[0]`);
  });

  test("200 levels are kept", () => {
    expect(decode(encode(nested(200)))).toEqual(nested(200));
    expect(decode(encode({ a: nested(199), b: 1n }))).toEqual({ a: nested(199), b: 1n });
  });

  test("lists that hold each other many times over, before all is visited", () => {
    let value: unknown = 1;
    for (let i = 0; i < 100; i++) value = [value, value];
    expect(thrown(() => encode(value)).code).toBe("PAYLOAD_TOO_LARGE");
    for (const many of ["x".repeat(20), [true, 1, undefined, 10n, "xxxxxxxxxxxxxxxx"], { xxxxxxxxxxxxxxxxxxxx: 1 }, new Uint8Array(20)])
      expect(thrown(() => encode(many, { limit: 19 })).code).toBe("PAYLOAD_TOO_LARGE");
  });

  test("longer text than there can be", () => {
    // Half a gigabyte would take seconds.
    const cause = new RangeError("Invalid string length");
    const stringify = vi.spyOn(JSON, "stringify").mockImplementationOnce(() => {
      throw cause;
    });
    const error = thrown(() => encode("long", { name: "args" }));
    stringify.mockRestore();
    expect([error.code, error.message, error.cause]).toEqual([
      "PAYLOAD_TOO_LARGE",
      "Expected args to be short enough for one text, but it is not",
      cause,
    ]);
  });

  test("more than the limit, counted in bytes of UTF-8", () => {
    const error = thrown(() => encode("x".repeat(PAYLOAD_LIMIT), { name: "the result" }));
    expect([error.code, error.message]).toEqual([
      "PAYLOAD_TOO_LARGE",
      `Expected the result to be at most ${PAYLOAD_LIMIT} bytes, got ${PAYLOAD_LIMIT + 2} or more`,
    ]);
    expect(encode("x".repeat(PAYLOAD_LIMIT - 2))).toHaveLength(PAYLOAD_LIMIT);
    expect(encode("é".repeat(4), { limit: 10 })).toHaveLength(6);
    expect(thrown(() => encode("é".repeat(5), { limit: 10 })).code).toBe("PAYLOAD_TOO_LARGE");
  });
});

describe("what cannot be read", () => {
  const unreadable = "Expected a stored payload to be one that OmniQ wrote, but it";

  test("text that is not JSON", () => {
    const error = thrown(() => decode("{nope"));
    expect([error.code, error.message]).toEqual(["PAYLOAD_UNREADABLE", "Expected a stored payload to be JSON"]);
    expect(error.cause).toBeInstanceOf(SyntaxError);
  });

  test.each([
    ['{"$omniq":"eval","v":"1"}', `${unreadable} has an unknown or broken tag "eval"`],
    ['{"$omniq":1}', `${unreadable} has an unknown or broken tag 1`],
    ['{"$omniq":"number","v":"12"}', `${unreadable} has an unknown or broken tag "number"`],
    ['{"$omniq":"number","v":"toString"}', `${unreadable} has an unknown or broken tag "number"`],
    ['{"$omniq":"number","v":1}', `${unreadable} has an unknown or broken tag "number"`],
    ['{"$omniq":"bigint","v":"x"}', `${unreadable} has an unknown or broken tag "bigint"`],
    ['{"$omniq":"bigint","v":1}', `${unreadable} has an unknown or broken tag "bigint"`],
    ['{"$omniq":"date","v":1}', `${unreadable} has an unknown or broken tag "date"`],
    ['{"$omniq":"date","v":"1 Jan 1970"}', `${unreadable} has an unknown or broken tag "date"`],
    ['{"$omniq":"date","v":"1970-01-01"}', `${unreadable} has an unknown or broken tag "date"`],
    ['{"$omniq":"error","v":{"name":"E","message":{"toString":1}}}', `${unreadable} has a broken error`],
    ['{"$omniq":"error","v":{"name":{"toString":1},"message":"m"}}', `${unreadable} has a broken error`],
    ['{"$omniq":"object","v":[[{"toString":1},1]]}', `${unreadable} has broken pairs`],
    ['{"$omniq":"bytes","t":"Buffer","v":"AA!A"}', `${unreadable} has broken bytes`],
    ['{"$omniq":"bytes","t":"Buffer","v":"AAA"}', `${unreadable} has broken bytes`],
    ['{"$omniq":"url","v":"nope"}', `${unreadable} has an unknown or broken tag "url"`],
    ['{"$omniq":"url"}', `${unreadable} has an unknown or broken tag "url"`],
    ['{"$omniq":"set","v":{}}', `${unreadable} has an unknown or broken tag "set"`],
    ['{"$omniq":"error","v":null}', `${unreadable} has an unknown or broken tag "error"`],
    ['{"$omniq":"error","v":"x"}', `${unreadable} has an unknown or broken tag "error"`],
    ['{"$omniq":"map","v":{}}', `${unreadable} has broken pairs`],
    ['{"$omniq":"map","v":[[1]]}', `${unreadable} has broken pairs`],
    ['{"$omniq":"object","v":[1]}', `${unreadable} has broken pairs`],
    ['{"$omniq":"bytes","v":"AA=="}', `${unreadable} has broken bytes`],
    ['{"$omniq":"bytes","t":"Buffer","v":1}', `${unreadable} has broken bytes`],
    ['{"$omniq":"bytes","t":"Function","v":"AA=="}', `${unreadable} has broken bytes`],
    ['{"$omniq":"bytes","t":"Int32Array","v":"AA=="}', `${unreadable} has broken bytes`],
    [`${"[".repeat(500)}{"$omniq":"undefined"}${"]".repeat(500)}`, `${unreadable} is nested too deeply`],
  ])("%s", (text, message) => {
    const error = thrown(() => decode(text));
    expect([error.code, error.message]).toEqual(["PAYLOAD_UNREADABLE", message]);
  });

  test("a tag that is nested too deeply to be shown", () => {
    const text = `{"$omniq":${"[".repeat(10_000)}${"]".repeat(10_000)}}`;
    expect(thrown(() => decode(text)).message).toBe(`${unreadable} has an unknown or broken tag an array of 1`);
  });

  test("no text makes it throw anything but a PayloadError", FUZZ, () => {
    const tags = ["undefined", "number", "bigint", "date", "url", "set", "map", "object", "error", "bytes"];
    const box = fc.record({ $omniq: fc.constantFrom(...tags), t: fc.jsonValue(), v: fc.jsonValue() }, { requiredKeys: ["$omniq"] });
    fc.assert(
      fc.property(fc.oneof(box, fc.array(box)), (value) => {
        try {
          decode(JSON.stringify(value));
        } catch (error) {
          expect(error).toBeInstanceOf(PayloadError);
        }
      }),
      runs(1_000),
    );
  });
});

describe("whatever comes", () => {
  test("a value comes back as it was, or is refused; what all objects share stays as it is", FUZZ, () => {
    const before = sharedPrototypes();
    let stored = 0;
    fc.assert(
      fc.property(hostileValue, (make) => {
        const value = make();
        let text = "";
        try {
          // Soon full: what holds itself many times over is refused when it is.
          text = encode(value, { limit: 20_000 });
        } catch (error) {
          expect(error).toBeInstanceOf(PayloadError);
          return;
        }
        stored++;
        expect(sameValue(value, decode(text))).toBe(true);
        expect(encode(decode(text))).toBe(text);
      }),
      runs(3_000),
    );
    expect(stored).toBeGreaterThan(1_000);
    expect(sharedPrototypes()).toBe(before);
  });

  test("a stored text that was changed is read as a value, or is unreadable", FUZZ, () => {
    const before = sharedPrototypes();
    const piece = fc.oneof(hostileText, fc.constantFrom('{"$omniq":"error","v":', '"$omniq":"map"', "[[", "]]", "{}", '"', ",", "null"));
    const changed = fc.tuple(supported, fc.nat(), fc.nat(8), piece).map(([value, at, gone, put]) => {
      const text = encode(value);
      const from = at % (text.length + 1);
      return text.slice(0, from) + put + text.slice(from + gone);
    });
    fc.assert(
      fc.property(fc.oneof(changed, hostileText), (text) => {
        try {
          decode(text);
        } catch (error) {
          expect(error).toBeInstanceOf(PayloadError);
        }
      }),
      runs(3_000),
    );
    expect(sharedPrototypes()).toBe(before);
  });
});

describe("withKeys", () => {
  const keys = { status: '"failed"', when: encode(new Date(0)) };

  test.each([
    ["an empty object", "{}", { status: "failed", when: new Date(0) }],
    ["an object, whose own keys lose", encode({ a: 1n, status: "mine" }), { a: 1n, status: "failed", when: new Date(0) }],
    ["an object with a key like a tag", encode({ $omniq: 1, status: 2 }), { $omniq: 1, status: "failed", when: new Date(0) }],
    ["no object", "5", { status: "failed", when: new Date(0) }],
    ["null", "null", { status: "failed", when: new Date(0) }],
    ["an array", "[1]", { status: "failed", when: new Date(0) }],
    ["a tagged value", encode(new Map([[1, 2]])), { status: "failed", when: new Date(0) }],
  ])("puts keys on %s", (_, base, wanted) => {
    expect(decode(withKeys(base, keys))).toEqual(wanted);
  });

  test("goes around what one payload can hold", () => {
    const deepest = encode(nested(200));
    expect(decode(withKeys("{}", { result: deepest }))).toEqual({ result: nested(200) });
  });

  test("hands on a base that cannot be read, so that whoever decodes it is told", () => {
    expect(withKeys("{broken", keys)).toBe("{broken");
    expect(withKeys('{"$omniq":"object","v":1}', keys)).toBe('{"$omniq":"object","v":1}');
    const deep = `{"a":${"[".repeat(10_000)}${"]".repeat(10_000)}}`;
    expect(withKeys(deep, keys)).toBe(deep);
  });

  test("equals decoding, merging and encoding", () => {
    const record = fc.array(fc.tuple(hostileKey, fc.oneof(fc.string(), fc.bigInt())), { maxLength: 4 }).map((pairs) => fromPairs(pairs));
    fc.assert(
      fc.property(record, record, (base, more) => {
        const texts = fromPairs(Object.entries(more).map(([key, value]) => [key, encode(value)])) as Record<string, string>;
        const wanted = fromPairs([...Object.entries(base), ...Object.entries(more)]);
        expect(isDeepStrictEqual(decode(withKeys(encode(base), texts)), wanted)).toBe(true);
      }),
    );
  });
});

describe("what would come back as something else is refused", () => {
  class Dates extends Date {}
  class Maps extends Map {}
  class Sets extends Set {}
  class Lists extends Array<number> {}
  const withSymbol = Object.assign([1], { [Symbol("s")]: 1 });
  test.each([
    ["a subclass of Date", new Dates()],
    ["a subclass of Map", new Maps()],
    ["a subclass of Set", new Sets()],
    ["a subclass of Array", Lists.from([1])],
    ["a Date with more on it", Object.assign(new Date(), { more: 1 })],
    ["a Map with more on it", Object.assign(new Map(), { more: 1 })],
    ["an array with a symbol", withSymbol],
    ["an error with more on it", Object.assign(new Error("x"), { status: 404 })],
    ["an error with a symbol", Object.assign(new Error("x"), { [Symbol("s")]: 1 })],
    ["a Date with a symbol", Object.assign(new Date(), { [Symbol("s")]: 1 })],
    ["a subclass of Buffer", Object.setPrototypeOf(Buffer.from("x"), class extends Buffer {}.prototype)],
    ["an error whose code is a function", Object.assign(new Error("x"), { code: () => 1 })],
  ])("%s", (_, value) => {
    expect(() => encode({ here: value })).toThrow(
      expect.objectContaining({ code: "PAYLOAD_REFUSED", message: expect.stringContaining(".here") }),
    );
  });

  test("an error keeps a numeric code and its parts", () => {
    const error = Object.assign(new AggregateError([new TypeError("a"), 2], "both"), { code: 7 });
    const back = decode(encode(error));
    expect(back).toMatchObject({ name: "AggregateError", message: "both", code: 7 });
    expect(back instanceof Error && Reflect.get(back, "errors")).toMatchObject([{ name: "TypeError", message: "a" }, 2]);
    const odd = decode(encode(Object.assign(new Error("odd"), { code: Number.NaN, errors: { name: "is required" } })));
    expect(odd instanceof Error && [Reflect.get(odd, "code"), Reflect.get(odd, "errors")]).toEqual([Number.NaN, { name: "is required" }]);
  });
});
