import { expect, test } from "vitest";
import { judgeModel } from "../judge-model.ts";
import { listClaudeModels } from "./list-claude-models.ts";

const ANSWER = {
  commands: [],
  models: [
    { value: "default", displayName: "Default (recommended)", resolvedModel: "claude-opus-5-5" },
    { value: "opus", displayName: "Opus" },
  ],
};

function judge(env: Readonly<Record<string, string>>, typed: string): string {
  const models = listClaudeModels(ANSWER, env);
  return models === null ? "cannot list" : judgeModel(models, typed).type;
}

test("it lists short names and takes whole ones; on another server anything may be a name", () => {
  const own = { ANTHROPIC_BASE_URL: "https://api.anthropic.com" };
  const gateway = { ANTHROPIC_BASE_URL: "https://gateway.example" };
  expect([
    judge({}, "opus"),
    judge({}, "opsu"),
    judge({}, "claude-opus-4-1"),
    judge(own, "opsu"),
    judge(gateway, "opsu"),
    judge({ CLAUDE_CODE_USE_BEDROCK: "1" }, "opsu"),
  ]).toEqual(["listed", "unknown", "unlisted", "unknown", "unlisted", "unlisted"]);
  expect(listClaudeModels(ANSWER, {})?.models).toEqual([
    { id: "default", name: "Default (recommended) (claude-opus-5-5)", isDefault: true },
    { id: "opus", name: "Opus", isDefault: false },
  ]);
});

test("an answer without models lists none", () => {
  expect([listClaudeModels({ commands: [] }, {}), listClaudeModels(null, {})]).toEqual([null, null]);
});
