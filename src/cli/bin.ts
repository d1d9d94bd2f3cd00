#!/usr/bin/env node
/**
 * The bin `omniq`: hears signals, and looks at the version of Node before anything else. Written so that Node 14 can read it: no newer
 * syntax, and nothing imported that has any.
 */
import("./signals.ts")
  .then(({ endOnSignals }) => {
    endOnSignals();
    return import("../node-version.ts");
  })
  .then(
    () => import("./main.ts").then(({ main }) => main(process.argv.slice(2))),
    (error: unknown) => {
      process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
      process.exitCode = 1;
    },
  );
