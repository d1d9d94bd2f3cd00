/** Makes dist of src from nothing: the types as they are, the code in few files. */
import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { bundleInto } from "./bundle.ts";

rmSync("dist", { recursive: true, force: true });
execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json", "--emitDeclarationOnly"], {
  stdio: "inherit",
});
await bundleInto("dist");
