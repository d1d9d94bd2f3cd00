/** When a waiting row expires once its TTL is another. */
import type { Ms } from "../../core/record.ts";
import { ttlFrom } from "../../core/task.ts";
import { int, optionalInt } from "./values.ts";
import type { Row } from "./values.ts";

/** @param row `created_at`, `expires_at` and `ttl` as they were. */
export function expiryAfter(row: Row, ttl: Ms | null): Ms | null {
  if (ttl === null) return null;
  return ttl + ttlFrom({ createdAt: int(row["created_at"]), expiresAt: optionalInt(row["expires_at"]), ttl: optionalInt(row["ttl"]) });
}
