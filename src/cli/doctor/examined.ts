/** What is in a file, examined on a thread of its own. */
import { startThread } from "../../entry.ts";
import { OmniQError, StorageError } from "../../core/errors.ts";
import { endNow, Interrupted, listenForInterrupts } from "../interrupt.ts";
import type { Examined, Examining, Found } from "./examine-thread.ts";

/**
 * Examines it, and looks whether somebody holds its lock.
 * @throws StorageError when it cannot be read; Interrupted.
 */
export async function examined(asked: Examining): Promise<Found> {
  const interrupt = listenForInterrupts(endNow);
  try {
    const report = await new Promise<Examined>((resolve, reject) => {
      interrupt.signal.addEventListener("abort", () => {
        endNow();
        reject(new Interrupted());
      });
      startThread("cli/doctor/examine-thread", { workerData: asked })
        .on("message", resolve)
        .on("error", reject)
        .on("exit", () => {
          reject(new OmniQError("THREAD_ENDED", "Expected the thread to examine the file, but it ended"));
        });
    });
    if ("facts" in report) return report;
    throw new StorageError(report.code, report.message);
  } finally {
    interrupt.end();
  }
}
