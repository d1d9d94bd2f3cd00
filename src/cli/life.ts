/** Workers for people: alive, silent, or gone. */
import type { WorkerInfo } from "../index.ts";
import type { Style } from "./terminal.ts";

export function lifeOf({ alive, gone }: Pick<WorkerInfo, "alive" | "gone">): string {
  return gone ? "gone" : alive ? "alive" : "silent";
}

export function styleOfLife(life: string): Style {
  return life === "alive" ? "green" : "red";
}
