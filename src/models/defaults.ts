/** What models and components fall back on when no clock, chance or maker of ids was handed in. */
import type { Clock, Random } from "../core/clock.ts";
import { newId, systemClock, systemRandom } from "../host.ts";

/** What a model reads besides its own fields. */
export interface ModelTools {
  /** Default: the machine's clock. */
  readonly clock?: Clock | undefined;
  /** Makes an id where none is given. Default: UUIDv7. */
  readonly newId?: (() => string) | undefined;
}

export const DEFAULTS: { readonly clock: Clock; readonly newId: () => string; readonly random: Random } = {
  clock: systemClock,
  newId,
  random: systemRandom,
};
