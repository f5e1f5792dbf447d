import { projectConfigSchema, runOptionsSchema } from "@canopy/protocol";
import type { Task } from "@canopy/protocol";
import { expect, test } from "vitest";
import { wantedModels } from "./wanted-models.ts";

const BASE = { agent: "claude", baseBranch: "main", concurrency: 1, maxRetries: 0, timeoutMs: 1000 };

function task(number: number, agent: string | null, model: string | null): Task {
  return { number, agent, model } as unknown as Task;
}

test("a run, its roles and its tasks are asked about once each, with the agent that shall have the model", () => {
  const config = projectConfigSchema.parse({
    queue: { resolver: { agent: "codex", model: "large" }, repair: { model: "small" } },
    budgets: { at_limit: "cheaper", cheaper_model: "haiku" },
  });
  const options = runOptionsSchema.parse({ ...BASE, model: "opus", roles: { repair: { agent: "gemini" } } });
  const tasks = [
    task(1, null, "opus"),
    task(2, "codex", "mini"),
    task(3, null, null),
    task(4, "codex", "mini"),
  ];
  expect(wantedModels(options, config, tasks)).toEqual([
    { agent: "claude", model: "opus", where: "the model of the run" },
    { agent: "codex", model: "large", where: "the model of the resolver agent" },
    { agent: "claude", model: "haiku", where: "[budgets] cheaper_model" },
    { agent: "codex", model: "mini", where: "the model of task #2" },
  ]);
});
