import { expect, test } from "vitest";
import { judgeModel } from "./judge-model.ts";

const MODELS = ["default", "opus", "sonnet", "haiku"].map((id) => ({ id, name: id, isDefault: false }));

test("a listed model is known by its id, else by the only name that it is shown under", () => {
  const models = [
    { id: "pro-custom", name: "pro", isDefault: true },
    { id: "a", name: "twice", isDefault: false },
    { id: "b", name: "twice", isDefault: false },
  ];
  const judged = ["pro-custom", "pro", "twice"].map((typed) => judgeModel({ models, alsoTakes: [] }, typed));
  expect(judged).toEqual([
    { type: "listed", id: "pro-custom" },
    { type: "listed", id: "pro-custom" },
    { type: "unknown", nearest: ["a", "b", "pro-custom"] },
  ]);
});

test("one that is not listed is refused with the nearest names, unless the agent takes such names", () => {
  const list = { models: MODELS, alsoTakes: ["claude-"] };
  expect(["opsu", "sonnet-5", "claude-opus-5-5"].map((typed) => judgeModel(list, typed))).toEqual([
    { type: "unknown", nearest: ["opus", "haiku", "sonnet", "default"] },
    { type: "unknown", nearest: ["sonnet", "opus", "default", "haiku"] },
    { type: "unlisted" },
  ]);
  expect(judgeModel({ models: MODELS, alsoTakes: [""] }, "anything")).toEqual({ type: "unlisted" });
});
