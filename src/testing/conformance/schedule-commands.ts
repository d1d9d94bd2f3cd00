/** Random commands on schedules. */
import type { ScheduleRow } from "../../core/schedule.ts";
import type { NewTask } from "../../core/task.ts";
import { newSchedule } from "./bench.ts";
import type { Command, Place, Throws } from "./throws.ts";
import { thrownTask } from "./throws.ts";

async function rowOf({ backend }: Place, id: string): Promise<ScheduleRow | undefined> {
  return (await backend.schedules.list({ ids: [id], limit: 1 }))[0];
}

export function scheduleCommands(t: Throws): Command {
  const { dice } = t;
  const id = dice.pick(["s1", "s2"]);
  const what = dice.pick(["put", "fire", "fire", "change", "drop", "run"]);
  const stale = dice.chance(20) ? 1 : 0;
  const named = dice.chance(50);
  const [alone, last, again, status] = [dice.chance(40), dice.chance(15), dice.chance(20) ? 10 : 0, dice.pick(["active", "paused"])];
  const make: (clock: Place["clock"]) => NewTask = thrownTask(t);
  return {
    what: `${what} schedule ${id}`,
    run: async (place) => {
      const { schedules } = place.backend;
      if (what === "drop") return schedules.drop([id]);
      const row = await rowOf(place, id);
      if (what === "put" || row === undefined)
        return (await schedules.put(newSchedule(id, place.clock.now(), { nextRunAt: place.clock.now() }))).is;
      const revision = row.revision - stale;
      const paused = [{ type: "schedule_paused", scheduleId: id } as const];
      if (what === "change") return (await schedules.put({ ...row, status, name: "n" }, revision, named ? paused : [])).is;
      const at = (row.nextRunAt ?? 0) - again;
      const enqueue = [{ ...make(place.clock), scheduleId: id }] as const;
      const events = [{ type: "schedule_fired", scheduleId: id, ...(named ? { taskId: enqueue[0].id } : {}) } as const];
      if (what === "run") return schedules.run({ id, task: enqueue[0], events, unlessOpen: alone });
      const ifOpen = alone ? { ifOpen: { nextAt: at + 10, events: [{ type: "schedule_skipped", scheduleId: id } as const] } } : {};
      const ifFewer = last ? { ifFewer: { nextAt: at + 10, events } } : {};
      return schedules.fire([{ id, revision, occurrences: [at], nextAt: last ? null : at + 10, enqueue, events, ...ifFewer, ...ifOpen }]);
    },
  };
}
