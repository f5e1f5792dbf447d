import { attemptSchema, changeSchema, taskSchema } from "@canopy/protocol";
import { expect, test } from "vitest";
import { buildReviewText } from "./review-body.ts";
import type { ReviewState } from "./review-body.ts";

function task(taskId: string, number: number, title: string): ReviewState["tasks"][number] {
  return taskSchema.parse({
    taskId,
    number,
    title,
    description: "",
    taskType: "task",
    priority: 2,
    labels: [],
    assignee: null,
    status: "open",
    claim: null,
    externalReference: null,
    timeoutMs: null,
    agent: null,
    model: null,
    createdBy: "ada",
    createdAtMs: 0,
    updatedAtMs: 0,
    closedAtMs: null,
    closeReason: null,
  });
}

const ATTEMPT = attemptSchema.parse({
  attemptId: "att_1",
  taskId: "tsk_1",
  runId: "run_1",
  sessionId: "ses_1",
  number: 1,
  role: "worker",
  agent: "command:secret --key=1",
  model: "m-1",
  state: "succeeded",
  baseCommit: null,
  workspaceBackend: null,
  capture: null,
  failure: null,
  summary: "",
  usage: { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0, costUsd: null },
  queuedAtMs: 0,
  startedAtMs: null,
  endedAtMs: null,
});
const CHANGE = changeSchema.parse({
  changeId: "chg_1",
  taskId: "tsk_1",
  attemptId: "att_1",
  runId: "run_1",
  commit: "c",
  baseCommit: "b",
  integrationRef: "refs/heads/canopy/main",
  state: "landed",
  filesChanged: 1,
  conflicts: [],
  reason: null,
  landedCommit: "0123456789abcdef",
  queuedAtMs: 0,
  endedAtMs: null,
});

test("changes are listed with task, commit and agent, then follow-ups; titles are plain words", () => {
  const follows = { taskId: "tsk_2", dependsOnId: "tsk_1", kind: "discovered-from" } as const;
  const state: ReviewState = {
    tasks: [task("tsk_1", 7, "Paint\n![x](http://evil) @team"), task("tsk_2", 8, "Mend the test")],
    dependencies: [{ ...follows, taskId: task("tsk_2", 8, "").taskId, dependsOnId: CHANGE.taskId }],
    attempts: [ATTEMPT],
    changes: [CHANGE],
  };
  expect(buildReviewText(state, ["0123456789abcdef", "other"])).toEqual({
    title: "Paint ![x](http://evil) @team",
    body: [
      "## Changes",
      "",
      "- Paint \\!\\[x\\](http://evil) @\u200Bteam (task 7): 0123456789ab, by command (m-1)",
      "",
      "And 1 commit that came otherwise.",
      "",
      "## Follow-ups",
      "",
      "- Mend the test (task 8)",
      "",
    ].join("\n"),
  });
});

test("without changes of tasks the text says so", () => {
  const state: ReviewState = { tasks: [], dependencies: [], attempts: [], changes: [] };
  expect(buildReviewText(state, ["a", "b"])).toEqual({
    title: "0 tasks by Canopy",
    body: "## Changes\n\nNone of a task.\n\nAnd 2 commits that came otherwise.\n",
  });
});
