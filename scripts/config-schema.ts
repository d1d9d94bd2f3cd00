/** `schema.json`, the JSON Schema of configuration files, from the table in src/config/options.ts. `--check` only says whether it is current. */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { jsonSchema } from "../src/config/json-schema.ts";

const FILE = new URL("../schema.json", import.meta.url);

/** The text of the file as it should be now. */
export function schemaText(): string {
  return `${JSON.stringify(jsonSchema(), undefined, 2)}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (!process.argv.includes("--check")) writeFileSync(FILE, schemaText());
  else if (readFileSync(FILE, "utf8") !== schemaText()) {
    process.stderr.write("schema.json is not current: run `node scripts/config-schema.ts`\n");
    process.exitCode = 1;
  }
}
