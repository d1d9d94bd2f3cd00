/** `omniq tasks delete`. */
import { changing } from "../change.ts";

export const run = changing({
  verb: "delete",
  from: ["ready", "delayed", "retrying", "blocked", "completed", "failed", "cancelled", "expired"],
  act: (omniq, id) => omniq.tasks.delete(id),
  done: ["deleted"],
  words: {
    deleted: "deleted",
    running: "running and kept",
    "has-dependents": "kept, since others wait for them",
    changed: "changed meanwhile and left alone",
    missing: "gone",
  },
  // A filter said which: what failed and runs again by now is not meant any more.
  onlyUnchanged: true,
});
