import { describe, expect, test } from "vitest";
import { conformance } from "../../../src/testing/conformance/index.ts";
import { ModelBackend } from "../../../src/testing/model.ts";

conformance({
  name: "the model",
  open: async (clock) => {
    const backend = new ModelBackend({ clock });
    await backend.open();
    return backend;
  },
  tools: { describe, test, expect },
});
