/** `omniq config schema`. */
import { jsonSchema } from "../../config/json-schema.ts";
import { EXIT } from "../command.ts";
import type { Run } from "../command.ts";

export const run: Run = (given, terminal) => {
  if (given.flag("json")) terminal.json(jsonSchema());
  else terminal.line(JSON.stringify(jsonSchema(), undefined, 2));
  return Promise.resolve(EXIT.fine);
};
