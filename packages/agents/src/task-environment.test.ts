import { Buffer } from "node:buffer";
import { expect, test } from "vitest";
import { MAX_VARIABLE_BYTES, createTaskEnvironment, fitVariable } from "./task-environment.ts";

test("a task becomes variables, without one there are none", () => {
  const task = {
    taskId: "tsk_1",
    title: "Add a\0 parser",
    description: "long\ntext",
    sessionId: "ses_1",
    workspace: "/w",
  };
  const variables = {
    CANOPY_TASK_ID: "tsk_1",
    CANOPY_TASK_TITLE: "Add a parser",
    CANOPY_TASK_DESCRIPTION: "long\ntext",
    CANOPY_SESSION_ID: "ses_1",
    CANOPY_WORKSPACE: "/w",
  };
  expect(createTaskEnvironment(task)).toEqual(variables);
  expect(createTaskEnvironment({ ...task, labels: ["a", "b"], attemptNumber: 2 })).toEqual({
    ...variables,
    CANOPY_TASK_LABELS: "a,b",
    CANOPY_ATTEMPT_NUMBER: "2",
  });
  expect(createTaskEnvironment(null)).toEqual({});
});

test("a value beyond the kernel's limit is cut at a character and says so", () => {
  const fitted = fitVariable("\u{1f600}".repeat(100_000));
  expect(Buffer.byteLength(fitted)).toBeLessThanOrEqual(MAX_VARIABLE_BYTES);
  expect(fitted).toMatch(/^(?:\u{1f600})+\n\[cut by canopy: the full text is on standard input\]$/u);
  const exact = "x".repeat(MAX_VARIABLE_BYTES);
  expect(fitVariable(exact)).toBe(exact);
});
