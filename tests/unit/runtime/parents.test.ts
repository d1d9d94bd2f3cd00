import { expect, test } from "vitest";
import type { ResultRow } from "../../../src/core/result.ts";
import { parentResults } from "../../../src/runtime/parents.ts";
import { Rig } from "./rig.ts";

test("a parent that was retried while its child ran is not told as completed", async () => {
  const rig = new Rig();
  const [parent = ""] = await rig.enqueue("f");
  const [child = ""] = await rig.enqueue({ func: "f", dependsOn: [{ id: parent, ifFailed: "cancel" }] });
  const [row] = await rig.backend.desk.get([child]);
  if (row === undefined) throw new Error("Expected the child");

  const told = async () => (await parentResults(rig.stores, row)).map(({ status }) => status);
  expect(await told()).toEqual(["failed"]);
  const result: Omit<ResultRow, "createdAt"> = { taskId: parent, status: "completed", retryCount: 0 };
  await rig.backend.results.put([result]);
  expect(await told(), "its result says so").toEqual(["completed"]);
  await rig.backend.desk.remove([child]);
  await rig.backend.desk.remove([parent]);
  expect(await told(), "its row is gone").toEqual(["completed"]);
});
