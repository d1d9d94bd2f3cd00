export { workerRow } from "../sqlite/presence.ts";
