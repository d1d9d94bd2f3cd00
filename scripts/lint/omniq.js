/**
 * Lint rules of this project alone. `no-ambient`: most rooms of the house are handed the clock, chance, timers and the process, and
 * must not reach for the ambient ones; else a test could not advance time, and a run could not be repeated.
 */

/** What may never be named, whatever is done with it, and what to use instead. */
const FORBIDDEN = {
  performance: "the Clock's monotonic()",
  setTimeout: "the Clock's after()",
  setInterval: "the Clock's after()",
  setImmediate: "the Clock's after(), or queueMicrotask",
  process: "what src/host.ts hands in",
  globalThis: "what is handed in",
};
/** Single members of globals that are harmless otherwise. */
const MEMBERS = {
  Date: { now: "the Clock's now()" },
  Math: { random: "the Random that is handed in" },
  crypto: { randomUUID: "the ids that are handed in", getRandomValues: "the Random that is handed in" },
};

/** The name of the member that is read, also as `x["name"]`; undefined when it is computed. */
function memberOf(node) {
  if (!node.computed) return node.property.name;
  return node.property.type === "Literal" ? String(node.property.value) : undefined;
}

/** `new Date(ms)` and `x instanceof Date` say nothing of the present time. */
function isHarmlessDate(node) {
  const { parent } = node;
  if (parent.type === "NewExpression" && parent.callee === node) return parent.arguments.length > 0;
  return parent.type === "BinaryExpression" && parent.operator === "instanceof";
}

/** What is wrong with one use of a global, if anything. A global handed on as a value may do whatever it can, so that is wrong too. */
function wrongWith(node) {
  const { name, parent } = node;
  if (Object.hasOwn(FORBIDDEN, name)) return { what: name, use: FORBIDDEN[name] };
  if (!Object.hasOwn(MEMBERS, name)) return undefined;
  const member = parent.type === "MemberExpression" && parent.object === node ? memberOf(parent) : undefined;
  if (member !== undefined) {
    return Object.hasOwn(MEMBERS[name], member) ? { what: `${name}.${member}`, use: MEMBERS[name][member] } : undefined;
  }
  if (name === "Date" && isHarmlessDate(node)) return undefined;
  const what = parent.type === "NewExpression" && parent.callee === node ? `new ${name}()` : name;
  return { what, use: Object.values(MEMBERS[name])[0] };
}

/** References to names that the file itself does not declare; the names of types do not count. */
function* globalReferences(scopeManager) {
  const { globalScope } = scopeManager;
  yield* globalScope.through;
  for (const variable of globalScope.variables) if (variable.defs.length === 0) yield* variable.references;
}

const noAmbient = {
  meta: { type: "problem", docs: { description: "The clock, chance, timers and the process are handed in." }, schema: [] },
  create(context) {
    return {
      "Program:exit"() {
        const seen = new Set();
        for (const { identifier, isValueReference } of globalReferences(context.sourceCode.scopeManager)) {
          if (isValueReference === false || seen.has(identifier)) continue;
          seen.add(identifier);
          const wrong = wrongWith(identifier);
          if (wrong !== undefined) {
            context.report({ node: identifier, message: `Expected ${wrong.use} to be used here, got \`${wrong.what}\`` });
          }
        }
      },
    };
  },
};

export default { meta: { name: "omniq" }, rules: { "no-ambient": noAmbient } };
