import { expect, test } from "vitest";
import type { SubmitAnswer } from "../kernel/journal.ts";
import { selectReadyTasks, selectTasks } from "./select-tasks.ts";
import { attemptResult, failedResult, openProjectDriver } from "@canopy/testkit";
import type { ProjectDriver } from "@canopy/testkit";

function codeOf(answer: SubmitAnswer): string {
  return answer.type === "rejection" ? answer.code : "accepted";
}

function readyTitles(driver: ProjectDriver): string[] {
  return selectReadyTasks(driver.room.sql, driver.nowMs).map((task) => task.title);
}

test("[TK1] a new task has the next number and documented defaults", () => {
  const driver = openProjectDriver();
  driver.addTask("first");
  expect(driver.addTask("  second  ")).toMatchObject({
    number: 2,
    title: "second",
    description: "",
    taskType: "task",
    priority: 2,
    labels: [],
    assignee: null,
    status: "open",
    claim: null,
    createdBy: "ada@example.org",
  });
});

test("[TK1] a title that is empty or too long is refused and says which field", () => {
  const driver = openProjectDriver();
  const answer = driver.submit({ type: "task.create", task: { title: "   " } });
  expect(answer).toMatchObject({ code: "command.invalid", message: "task.title: a task needs a title" });
  expect(codeOf(driver.submit({ type: "task.create", task: { title: "x".repeat(501) } }))).toBe(
    "command.invalid",
  );
});

test("[TK1] a description of 1 MB is kept whole", () => {
  const driver = openProjectDriver();
  const description = "ä".repeat(1_000_000);
  expect(driver.task(driver.addTask("large", { description }).taskId).description).toBe(description);
});

test("[TK2] a task is found by id, number, reference, or a part of its id", () => {
  const driver = openProjectDriver();
  const task = driver.addTask("findable", { externalReference: "bd:web-12" });
  driver.advance(60_000);
  driver.addTask("another");
  const part = task.taskId.slice(-8);
  for (const reference of [task.taskId, "1", "#1", "bd:web-12", part, part.toUpperCase()]) {
    const found = driver.accept({ type: "task.comment", task: reference, text: "x" })["task"];
    expect(found).toMatchObject({ taskId: task.taskId });
  }
  expect(codeOf(driver.submit({ type: "task.close", task: "3" }))).toBe("task.not-found");
});

test("[TK2] a part that several tasks share is refused as ambiguous", () => {
  const driver = openProjectDriver();
  const first = driver.addTask("one");
  driver.addTask("two");
  const shared = first.taskId.slice("tsk_".length, -8);
  expect(codeOf(driver.submit({ type: "task.close", task: shared }))).toBe("task.ambiguous");
});

test("[TK3] of two holders one gets the task; claiming again by the same holder changes nothing", () => {
  const driver = openProjectDriver();
  driver.addTask("wanted");
  expect(codeOf(driver.submit({ type: "task.claim", task: "1", holder: "ada" }))).toBe("accepted");
  expect(driver.submit({ type: "task.claim", task: "1", holder: "bob" })).toMatchObject({
    code: "task.already-claimed",
    message: "task #1 is claimed by ada",
  });
  const seq = driver.room.lastSeq;
  expect(codeOf(driver.submit({ type: "task.claim", task: "1", holder: "ada" }))).toBe("accepted");
  expect(driver.room.lastSeq).toBe(seq);
  expect(codeOf(driver.submit({ type: "task.release", task: "1", holder: "bob" }))).toBe(
    "task.already-claimed",
  );
  driver.accept({ type: "task.release", task: "1", holder: "ada" });
  expect(codeOf(driver.submit({ type: "task.claim", task: "1", holder: "bob" }))).toBe("accepted");
});

test("[TK4] a dependency that would close a cycle is refused and names the cycle", () => {
  const driver = openProjectDriver();
  for (const title of ["a", "b", "c"]) driver.addTask(title);
  driver.accept({ type: "dependency.add", task: "1", on: "2" });
  driver.accept({ type: "dependency.add", task: "2", on: "3", kind: "parent-child" });
  expect(driver.submit({ type: "dependency.add", task: "3", on: "1" })).toMatchObject({
    code: "task.cycle",
    message: "this would close a cycle: #3 -> #1 -> #2 -> #3",
  });
  expect(codeOf(driver.submit({ type: "dependency.add", task: "1", on: "1" }))).toBe("task.self-dependency");
  expect(codeOf(driver.submit({ type: "dependency.add", task: "3", on: "1", kind: "related" }))).toBe(
    "accepted",
  );
});

test("[TK5] a task waits for its own open blockers and for those of its parents", () => {
  const driver = openProjectDriver();
  driver.addTask("design");
  driver.addTask("epic", { taskType: "epic", dependencies: [{ on: "1" }] });
  driver.addTask("child", { dependencies: [{ on: "2", kind: "parent-child" }] });
  expect(readyTitles(driver)).toEqual(["design"]);
  driver.accept({ type: "task.close", task: "1" });
  expect(readyTitles(driver)).toEqual(["epic", "child"]);
  driver.accept({ type: "task.claim", task: "3", holder: "ada" });
  expect(readyTitles(driver)).toEqual(["epic"]);
});

test("[TK6] related and discovered-from hold nothing back", () => {
  const driver = openProjectDriver();
  driver.addTask("origin");
  driver.addTask("follow-up", { dependencies: [{ on: "1", kind: "discovered-from" }] });
  driver.addTask("see also", { dependencies: [{ on: "1", kind: "related" }] });
  expect(readyTitles(driver)).toEqual(["origin", "follow-up", "see also"]);
});

test("[TK7] an import may name its own items, and a second import updates instead of doubling", () => {
  const driver = openProjectDriver();
  const tasks = [
    { title: "later", externalReference: "bd:b", dependencies: [{ on: "bd:a" }] },
    { title: "sooner", externalReference: "bd:a" },
  ];
  expect(driver.accept({ type: "task.import", tasks })).toMatchObject({ createdCount: 2, updatedCount: 0 });
  expect(readyTitles(driver)).toEqual(["sooner"]);
  const renamed = [{ title: "sooner still", externalReference: "bd:a" }];
  expect(driver.accept({ type: "task.import", tasks: renamed })).toMatchObject({
    createdCount: 0,
    updatedCount: 1,
  });
  expect(selectTasks(driver.room.sql).map((task) => task.title)).toEqual(["later", "sooner still"]);
  expect(
    codeOf(driver.submit({ type: "task.create", task: { title: "x", externalReference: "bd:a" } })),
  ).toBe("task.duplicate-reference");
});

test("[TK7] ten thousand tasks imported at one moment are ten thousand tasks", () => {
  const driver = openProjectDriver();
  const tasks = Array.from({ length: 10_000 }, (_, index) => ({ title: `task ${index}` }));
  expect(driver.accept({ type: "task.import", tasks })).toMatchObject({ createdCount: 10_000 });
  expect(selectTasks(driver.room.sql).length).toBe(10_000);
});

test("[TK8] an epic closes with its last child, and so does the epic above it", () => {
  const driver = openProjectDriver();
  driver.addTask("top", { taskType: "epic" });
  driver.addTask("epic", { taskType: "epic", dependencies: [{ on: "1", kind: "parent-child" }] });
  driver.addTask("one", { dependencies: [{ on: "2", kind: "parent-child" }] });
  driver.addTask("two", { dependencies: [{ on: "2", kind: "parent-child" }] });
  driver.accept({ type: "task.close", task: "3" });
  expect(selectTasks(driver.room.sql).map((task) => task.status)).toEqual(["open", "open", "closed", "open"]);
  driver.accept({ type: "task.close", task: "4" });
  expect(selectTasks(driver.room.sql).map((task) => task.status)).toEqual([
    "closed",
    "closed",
    "closed",
    "closed",
  ]);
});

test("[TK9] reopening forgets failures and the label that kept runs away", () => {
  const driver = openProjectDriver();
  driver.addTask("hard");
  driver.startRun({ maxRetries: 0 });
  driver.finish(driver.lease()[0]!, failedResult("crash"));
  const [task] = selectTasks(driver.room.sql);
  expect(task?.labels).toEqual(["needs-investigation"]);
  driver.accept({ type: "task.reopen", task: "1", reason: "fixed the tool" });
  driver.startRun({ maxRetries: 1 });
  driver.finish(driver.lease()[0]!, failedResult("crash"));
  driver.advance(600_000);
  expect(driver.lease().length).toBe(1);
});

test("[TK10] the prompt holds the task, its comments and why earlier attempts failed", () => {
  const driver = openProjectDriver();
  driver.addTask("Add a parser", { description: "For TOML." });
  driver.accept({ type: "task.comment", task: "1", text: "mind the dates" });
  driver.startRun();
  driver.finish(driver.lease()[0]!, failedResult("crash"));
  driver.advance(600_000);
  const [second] = driver.lease();
  const prompt = second?.payload.kind === "attempt" ? second.payload.prompt : "";
  expect(prompt).toContain("# Task: Add a parser\n\nFor TOML.");
  expect(prompt).toContain("- ada@example.org: mind the dates");
  expect(prompt).toContain("Attempt 1: crash: it was crash");
  expect(attemptResult()["outcome"]).toBe("succeeded");
});
