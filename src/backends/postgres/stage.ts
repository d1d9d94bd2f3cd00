export { MARK, STAGE, UNTIL } from "../sqlite/schema.ts";
