export { int, json, optionalInt, optionalStr, str } from "../sqlite/db.ts";
