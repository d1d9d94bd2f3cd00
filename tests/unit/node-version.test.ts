import { expect, test } from "vitest";
import { refusalOf } from "../../src/node-version.ts";

test.each(["22.23.3", "22.30.0", "24.15.0", "24.21.0", "26.0.0"])("Node %s will do", (version) => {
  expect(refusalOf(version)).toBeUndefined();
});

test.each(["18.20.0", "20.20.2", "22.0.0", "22.23.2", "23.11.1", "24.14.9"])("Node %s gets one sentence that names both", (version) => {
  expect(refusalOf(version)).toMatch(new RegExp(`22\\.23\\.3.*24\\.15.*${version.replaceAll(".", "\\.")}`));
});
