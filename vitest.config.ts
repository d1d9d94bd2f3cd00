import { defineConfig } from "vitest/config";

/** A test file is in exactly one project: its folder says which. */
const project = (name: string, testTimeout: number, globalSetup: readonly string[] = []) => ({
  extends: true as const,
  test: {
    name,
    include: [`tests/${name}/**/*.test.ts`],
    testTimeout,
    hookTimeout: testTimeout,
    globalSetup: [...globalSetup],
  },
});

export default defineConfig({
  test: {
    reporters: ["default", ["json", { outputFile: ".tmp/results.json" }]],
    projects: [
      project("unit", 10_000),
      project("integration", 60_000, ["tests/fixtures/postgres-server.ts", "tests/fixtures/bundled-bin.ts"]),
      project("performance", 60_000),
    ],
    tags: [{ name: "slow", description: "takes seconds: real processes, kills, packed tarballs" }],
    coverage: {
      provider: "v8",
      include: ["src/**/*.ts"],
      reporter: ["text", ["html", { subdir: "." }], ["cobertura", { file: "../coverage.xml" }]],
      reportsDirectory: "htmlcov",
      thresholds: {
        lines: 90,
        branches: 85,
        "src/core/**": { lines: 100, branches: 100, functions: 100, statements: 100 },
      },
    },
  },
});
