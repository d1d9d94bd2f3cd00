import { describe, expect, test } from "vitest";
import { conformance, equivalence } from "../../../src/testing/conformance/index.ts";
import type { Open } from "../../../src/testing/conformance/index.ts";
import { ModelBackend } from "../../../src/testing/model.ts";

const tools = { describe, test, expect };
const open: Open = async (clock) => {
  const backend = new ModelBackend({ clock });
  await backend.open();
  return backend;
};

conformance({ name: "the model", open, tools });

// The model beside itself: that the commands can be repeated, and that the rules hold after each.
equivalence({ name: "the model", open, model: open, seeds: [1, 2, 3, 4, 5], steps: 150, tools });
