/** How a payload's text says what JSON cannot: `{"$omniq": tag, "v": …}`. The writing and the reading side share it. */

export const TAG = "$omniq";
/** `JSON.stringify` and `structuredClone` overflow the stack from depth 5,000; nobody writes 200 by hand. */
export const DEEPEST = 200;

export const TYPED = {
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
} as const;

export function tagged(tag: string, v?: unknown, t?: string): Record<string, unknown> {
  return { [TAG]: tag, ...(t === undefined ? {} : { t }), ...(v === undefined ? {} : { v }) };
}

export function fromPairs(pairs: readonly (readonly [string, unknown])[]): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const [key, value] of pairs) put(out, key, value);
  return out;
}

/** Makes a property of the object's own, whatever it inherits: assigning to `__proto__` would set the prototype, to a frozen name throw. */
export function put(object: Record<string, unknown>, key: string, value: unknown): void {
  if (key in object) Object.defineProperty(object, key, { value, enumerable: true, writable: true, configurable: true });
  else object[key] = value;
}
