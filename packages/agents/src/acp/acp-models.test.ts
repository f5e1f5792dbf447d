import { expect, test } from "vitest";
import { listAcpModels } from "./acp-models.ts";
import { sessionResultSchema } from "./acp-schema.ts";

test("models come from the session's own list, with the one that it begins with", () => {
  const models = {
    currentModelId: "started-with",
    availableModels: [{ modelId: "a", name: "A" }, { modelId: "b" }],
  };
  expect(listAcpModels(sessionResultSchema.parse({ sessionId: "s", models }))).toEqual({
    models: [
      { id: "started-with", name: "started-with", isDefault: true },
      { id: "a", name: "A", isDefault: false },
      { id: "b", name: "b", isDefault: false },
    ],
    alsoTakes: [],
  });
});

test("a setting of the category model goes before it, in groups too; without any there is none", () => {
  const options = [{ options: [{ value: "x", name: "X" }] }, { options: [{ value: "y" }] }];
  const configOptions = [{ id: "m", category: "model", currentValue: "y", options }];
  expect(listAcpModels(sessionResultSchema.parse({ sessionId: "s", configOptions })).models).toEqual([
    { id: "x", name: "X", isDefault: false },
    { id: "y", name: "y", isDefault: true },
  ]);
  expect(listAcpModels(sessionResultSchema.parse({ sessionId: "s" })).models).toEqual([]);
});
