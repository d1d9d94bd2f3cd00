/** OmniQ as a user has it: a file, a task whose handler does nothing, a worker. */
import { OmniQ, defineTask } from "../src/index.ts";
import type { Durability } from "./floor.ts";

/** 110 bytes as JSON. */
export const PAYLOAD = { url: "https://example.com/images/0123456789.png", width: 800, height: 600, note: "one hundred and ten bytes" };
export const ARGS = JSON.stringify(PAYLOAD);
export const RESULT = '{"ok":true}';

export const noop = defineTask<typeof PAYLOAD, { ok: boolean }>({ name: "noop", handler: () => ({ ok: true }) });

export async function openAt(path: string, durability: Durability): Promise<OmniQ> {
  const omniq = new OmniQ({ url: `sqlite:${path}`, durability });
  await omniq.open();
  return omniq;
}

/** Enqueues so many in sets of 1,000. */
export async function fill(omniq: OmniQ, count: number): Promise<void> {
  for (let from = 0; from < count; from += 1_000) {
    await omniq.enqueueMany(Array.from({ length: Math.min(1_000, count - from) }, () => noop.with(PAYLOAD)));
  }
}
