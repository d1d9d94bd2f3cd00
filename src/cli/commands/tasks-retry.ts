/** `omniq tasks retry`. */
import { changing } from "../change.ts";

export const run = changing({
  verb: "retry",
  from: ["failed", "cancelled", "expired"],
  act: (omniq, id) => omniq.tasks.retry(id),
  done: ["retried"],
  words: { retried: "made ready to run again", "not-final": "no longer ended", missing: "gone" },
});
