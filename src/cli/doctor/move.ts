/** Whether a database is being moved, or has been. */
import type { Mover } from "../../core/transfer.ts";
import { problem, warning } from "./finding.ts";
import type { Finding } from "./finding.ts";

/** Closes what it looks through. */
export async function moveFindings(mover: Mover): Promise<readonly Finding[]> {
  try {
    const mark = await mover.mark();
    if (mark === undefined || mark.state === "done") return [];
    const remedy = "go on with the same omniq transfer, or give it up with --abort";
    if (mark.state === "moved")
      return [
        problem(
          "moved",
          `Everything has moved to ${mark.other}: nothing is written here any more`,
          "start programs and workers with its URL",
        ),
      ];
    if (mark.state === "aborting")
      return [
        warning(
          "moved",
          `A move to ${mark.other} is being given up: no task is started here until it is`,
          "do that to its end with the same omniq transfer and --abort",
        ),
      ];
    if (mark.state === "copying")
      return [warning("moved", `A move from ${mark.other} to here is not finished: what was copied counts for nobody yet`, remedy)];
    return [
      warning(
        "moved",
        `A move to ${mark.other} is not finished: ${mark.state === "closed" ? "nothing can be written meanwhile" : "its queues are paused meanwhile"}`,
        remedy,
      ),
    ];
  } finally {
    await mover.close();
  }
}
