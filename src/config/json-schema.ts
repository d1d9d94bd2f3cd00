/** The JSON Schema of a configuration file, for editors: made from the table of options. */
import { SCHEMA_KEY } from "./check.ts";
import type { JsonSchema } from "./kinds.ts";
import { isOption, OPTIONS, variablesOf } from "./options.ts";
import type { AnyOption, Section } from "./options.ts";

interface Node {
  readonly [key: string]: unknown;
}

/**
 * The schema, in draft 07: what most editors know. Keys are suggested in camelCase and taken in snake_case too. It looks at each value by
 * itself: that `url` excludes `baseDir`, and one spelling the other, is left to the loader, whose errors say it better.
 */
export function jsonSchema(): Node {
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "The configuration of OmniQ",
    ...sectionSchema(OPTIONS, "", "#"),
    properties: { [SCHEMA_KEY]: { type: "string" }, ...propertiesOf(OPTIONS, "", "#") },
  };
}

function sectionSchema(section: Section, path: string, pointer: string): Node {
  return {
    type: path === "" ? "object" : ["object", "null"],
    additionalProperties: false,
    properties: propertiesOf(section, path, pointer),
    ...snakeOf(section, pointer),
  };
}

function propertiesOf(section: Section, path: string, pointer: string): Node {
  return Object.fromEntries(
    Object.entries(section).map(([key, node]) => {
      const inner = path === "" ? key : `${path}.${key}`;
      return [key, isOption(node) ? optionSchema(inner, node) : sectionSchema(node, inner, `${pointer}/properties/${key}`)];
    }),
  );
}

/** The other spellings as patterns: what is only a pattern is checked, but not suggested. */
function snakeOf(section: Section, pointer: string): Node {
  const patternProperties: Record<string, Node> = {};
  for (const key of Object.keys(section)) {
    const spellings = key.replaceAll(/[A-Z]/g, (letter) => `(?:${letter}|_${letter.toLowerCase()})`);
    if (spellings !== key) patternProperties[`^(?!${key}$)${spellings}$`] = { $ref: `${pointer}/properties/${key}` };
  }
  return Object.keys(patternProperties).length === 0 ? {} : { patternProperties };
}

function optionSchema(path: string, option: AnyOption): Node {
  const variables = variablesOf({ path, option });
  const initial: unknown = "initial" in option ? option.initial : undefined;
  return {
    description: `${option.doc}${variables.length === 0 ? "" : ` Variable: ${variables.join(", ")}.`}`,
    ...(initial === undefined ? {} : { default: initial }),
    ...nullable(option.kind.schema),
  };
}

/** `null` is absent everywhere. */
function nullable({ type, anyOf, ...rest }: JsonSchema): Node {
  return {
    ...rest,
    ...(type === undefined ? {} : { type: [type, "null"] }),
    ...(anyOf === undefined ? {} : { anyOf: [...anyOf, { type: "null" }] }),
  };
}
