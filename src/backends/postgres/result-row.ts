export { resultRow } from "../sqlite/results.ts";
