/** Prints `N passed, N failed` of a test report, and exits with 1 unless everything passed. */
import { readFileSync } from "node:fs";

const [file = ".tmp/results.json", status = "0"] = process.argv.slice(2);
let passed = 0;
let failed = 0;
try {
  const report: unknown = JSON.parse(readFileSync(file, "utf8"));
  const count = (key: string): number => {
    const value: unknown = typeof report === "object" && report !== null ? Reflect.get(report, key) : undefined;
    return typeof value === "number" ? value : 0;
  };
  passed = count("numPassedTests");
  failed = count("numFailedTests") + count("numFailedTestSuites") * (count("numFailedTests") === 0 ? 1 : 0);
} catch {
  // No report: a check before the tests failed.
}
// A check or the coverage can fail while every test passes.
if (status !== "0" && failed === 0) failed = 1;
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
