/** In a module of its own, since Sidequest's own process imports a job's file by its path. */
import { Job } from "sidequest";

export class Noop extends Job {
  run(_payload: object): { ok: boolean } {
    return { ok: true };
  }
}
