/** The files of a new project. They run as they are: Node takes the types away itself. */

export interface NewFile {
  readonly name: string;
  readonly text: string;
  /** There already: it is left as it is. Without this, nothing is made where it is there. */
  readonly mayBeThere?: true;
}

const TASKS = `/**
 * The tasks of this project. \`omniq dev\` and \`omniq worker\` import this file and run every task that it exports. Programs that
 * enqueue a task import it as well: see enqueue.ts.
 */
import { defineTask } from "omniq";
import type { OmniQ } from "omniq";

/** A task is a name and a handler. Its arguments and its result are typed wherever it is used. */
export const greet = defineTask({
  name: "greet", // what it is called in the database: keep it, or list the old name in \`aliases\`
  maxRetries: 3, // after a failure it runs again, up to so often,
  retryDelay: "2s", // each time after so long
  timeout: "30s", // an attempt that takes longer has failed
  handler: async ({ name }: { name: string }, ctx) => {
    // ctx.log tells which task a line is about. ctx.signal aborts when the attempt is to end: pass it on to fetch() and the like.
    ctx.log.info(\`greeting \${name}\`);
    return { text: \`Hello, \${name}!\` };
  },
});

/** This one runs by itself: \`setup\` below schedules it. */
export const tick = defineTask({
  name: "tick",
  ttl: "1m", // not started within a minute, it is not run at all
  handler: (_: void, ctx) => {
    ctx.log.info("tick");
    return { at: new Date() };
  },
});

/**
 * Called by each worker before it starts. A schedule with an id is made once: the same call on the next start changes nothing, and
 * changed code changes the schedule in place.
 */
export async function setup(omniq: OmniQ): Promise<void> {
  await omniq.schedule(tick, undefined, { id: "tick", every: "5s" });
  // await omniq.schedule(greet, { name: "Ada" }, { id: "good-morning", cron: "0 8 * * 1-5", timezone: "Europe/Berlin" });
}
`;

const ENQUEUE = `/** Enqueues a task and waits for what a worker makes of it: \`node enqueue.ts\`, while \`omniq dev\` runs in another terminal. */
import { OmniQ } from "omniq";
import { greet } from "./tasks.ts";

const omniq = await OmniQ.fromConfigFile("omniq.yaml");
const handle = await omniq.enqueue(greet, { name: "Ada" });
console.log("enqueued", handle.id);
const { text } = await handle.result({ timeout: "1m" });
console.log(text);
await omniq.close();
`;

const TSCONFIG = `{
  "compilerOptions": {
    "target": "es2022",
    "module": "nodenext",
    "strict": true,
    "noEmit": true,
    "erasableSyntaxOnly": true,
    "verbatimModuleSyntax": true,
    "allowImportingTsExtensions": true
  },
  "include": ["**/*.ts"]
}
`;

const configOf = (
  name: string,
): string => `# Where everything lies, and how workers work. Each option can be set by a variable, too (OMNIQ_…).
projectName: ${name} # names the file: ./data/${name}.db
taskQueue:
  config:
    baseDir: ./data
    queues: [default] # what a worker serves, strictly in this order
worker:
  config:
    maxWorkers: 10 # how many tasks run at a time
`;

/** Without its tag, npm takes the typescript of a clone that omniq is linked from for installed, and finds no `tsc`. */
const readmeOf = (name: string): string => `# ${name}

Background tasks with OmniQ.

| command | |
| --- | --- |
| \`npm run dev\` | a worker that starts again when \`tasks.ts\` or \`omniq.yaml\` changes |
| \`npm run enqueue\` | enqueue a task, and wait for its result |
| \`npm run worker\` | a worker as in production |
| \`npx omniq tasks list\` | what there is; \`npx omniq --help\` shows all commands |
| \`npx omniq doctor\` | is something wrong? |
| \`npx -p typescript@latest tsc\` | check the types |

The tasks are in \`tasks.ts\`, the configuration is in \`omniq.yaml\`, and all data lies in \`data/\`.
`;

/** @param name of the project: of its database, and of its package. */
export function filesOf(name: string): readonly NewFile[] {
  return [
    { name: "tasks.ts", text: TASKS },
    { name: "enqueue.ts", text: ENQUEUE },
    { name: "omniq.yaml", text: configOf(name) },
    { name: "tsconfig.json", text: TSCONFIG, mayBeThere: true },
    { name: "README.md", text: readmeOf(name), mayBeThere: true },
    { name: ".gitignore", text: "node_modules/\ndata/\n", mayBeThere: true },
  ];
}

/** A name that npm and file systems take. */
export function projectNameOf(folder: string): string {
  const name = folder
    .toLowerCase()
    .replaceAll(/[^a-z0-9._-]+/g, "-")
    .replace(/^[._-]+/, "")
    .replace(/[._-]+$/, "")
    .slice(0, 100);
  // A package cannot have the name of one that it depends on.
  return name === "" || name === "omniq" || name === "node_modules" ? "my-tasks" : name;
}
