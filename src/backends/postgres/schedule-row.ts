export { COLUMNS, params, scheduleRow } from "../sqlite/schedules.ts";
