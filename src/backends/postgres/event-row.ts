export { eventRow } from "../sqlite/events.ts";
