/** `omniq tasks cancel`. */
import { changing } from "../change.ts";

export const run = changing({
  verb: "cancel",
  from: ["ready", "delayed", "retrying", "blocked", "running"],
  act: (omniq, id, given) => omniq.tasks.cancel(id, { reason: given.text("reason") }),
  done: ["cancelled", "asked"],
  words: { cancelled: "cancelled", asked: "running and asked to stop", final: "had ended before", missing: "gone" },
});
