import type { Inquiry, InquiryId, LeasedJob } from "@canopy/protocol";
import {
  TEST_PERSON,
  attemptResult,
  buildOutcomes,
  openProjectDriver,
  stackBuild,
  testBudget,
  testQueuePolicy,
} from "@canopy/testkit";
import type { ProjectDriver } from "@canopy/testkit";
import { expect, test } from "vitest";
import { selectHolds } from "../runs/run-rows.ts";
import { selectWhyNotRunning } from "../schedule/why-not-running.ts";
import { selectSession } from "../sessions/session-feature.ts";
import { selectComments, selectTasks } from "../tasks/select-tasks.ts";
import { selectInquiry, selectOpenInquiries } from "./inquiry-feature.ts";

interface AtWork {
  readonly driver: ProjectDriver;
  readonly leased: LeasedJob;
  readonly sessionId: string;
  readonly attemptId: string;
}

const OPTIONS = [
  { optionId: "yes", name: "Yes", kind: "allow_once" },
  { optionId: "no", name: "No", kind: "reject_once" },
];

function beginAttempt(driver: ProjectDriver): AtWork {
  const [leased] = driver.lease();
  if (leased?.payload.kind !== "attempt") throw new Error("no attempt to lease");
  const { jobId, fence } = leased.job;
  driver.accept({ type: "attempt.start", jobId, fence, baseCommit: "base", workspaceBackend: "overlay" });
  const { sessionId, attemptId } = leased.payload;
  return { driver, leased, sessionId, attemptId };
}

function openWork(): AtWork {
  const driver = openProjectDriver();
  driver.addTask("doubtful");
  driver.startRun();
  return beginAttempt(driver);
}

function ask({ driver, sessionId }: AtWork, fields: Record<string, unknown> = {}): Inquiry {
  const command = { type: "inquiry.open", kind: "question", sessionId, text: "Tabs?", ...fields };
  return driver.accept(command)["inquiry"] as unknown as Inquiry;
}

function park(work: AtWork, inquiryId: InquiryId): void {
  work.driver.finish(work.leased, attemptResult({ outcome: "interrupted", parkedFor: inquiryId }));
}

function stateOf({ driver, sessionId }: AtWork): unknown {
  return selectSession(driver.room.sql, sessionId)?.state;
}

test("[IQ1] a session asks, waits, and goes on with the one answer that it gets", () => {
  const work = openWork();
  const { inquiryId } = ask(work);
  expect([stateOf(work), selectOpenInquiries(work.driver.room.sql).length]).toEqual(["waiting", 1]);
  work.driver.accept({ type: "inquiry.answer", inquiryId, answer: "spaces" });
  const inquiry = selectInquiry(work.driver.room.sql, inquiryId);
  expect([stateOf(work), inquiry?.state, inquiry?.answer, inquiry?.by]).toEqual([
    "active",
    "answered",
    "spaces",
    TEST_PERSON.id,
  ]);
  const again = work.driver.submit({ type: "inquiry.answer", inquiryId, answer: "tabs" });
  expect(again).toMatchObject({ code: "inquiry.not-open" });
  expect(work.driver.submit({ type: "inquiry.answer", inquiryId: "inq_x", answer: "" })).toMatchObject({
    code: "inquiry.not-found",
  });
});

test("[IQ2] an answer must be one that was offered; leave can be refused, a question cannot", () => {
  const work = openWork();
  const permission = ask(work, { kind: "permission", options: OPTIONS });
  const answer = (inquiryId: string, value: unknown): unknown =>
    work.driver.submit({ type: "inquiry.answer", inquiryId, answer: value });
  expect(answer(permission.inquiryId, "maybe")).toMatchObject({ code: "command.invalid" });
  expect(answer(permission.inquiryId, null)).toMatchObject({ type: "accepted" });
  expect(answer(ask(work).inquiryId, null)).toMatchObject({ code: "command.invalid" });
});

test("[IQ3] a parked task waits in every run, and goes on in the same session with the answer", () => {
  const work = openWork();
  const { driver } = work;
  const { inquiryId } = ask(work);
  park(work, inquiryId);
  const [task] = selectTasks(driver.room.sql);
  expect(selectHolds(driver.room.sql).map((hold) => [hold.runId, hold.cause, hold.message])).toEqual([
    [null, "question", "Tabs?"],
  ]);
  driver.startRun();
  expect(driver.lease()).toEqual([]);
  const run = driver.startRun({ watch: true });
  expect(selectWhyNotRunning(driver.room.sql, task!, driver.nowMs).map((reason) => reason.code)).toEqual([
    "held",
  ]);
  driver.accept({ type: "inquiry.answer", inquiryId, answer: "spaces" });
  const next = beginAttempt(driver);
  if (next.leased.payload.kind !== "attempt") throw new Error("no attempt");
  expect([next.sessionId, next.leased.payload.runId, next.leased.payload.continues?.work]).toEqual([
    work.sessionId,
    run.runId,
    { baseCommit: "base", commit: "work" },
  ]);
  expect(next.leased.payload.continues?.prompt).toContain(`The answer of ${TEST_PERSON.id}: spaces`);
  expect(selectComments(driver.room.sql, task!.taskId).map((comment) => comment.text)).toEqual([
    "Asked: Tabs?\nAnswer: spaces",
  ]);
});

test("[IQ3] an answer that came while the work was laid aside is not lost", () => {
  const work = openWork();
  const { inquiryId } = ask(work);
  work.driver.accept({ type: "inquiry.answer", inquiryId, answer: "spaces" });
  park(work, inquiryId);
  expect(beginAttempt(work.driver).sessionId).toBe(work.sessionId);
});

test("[IQ4] what an attempt leaves open is closed at its end", () => {
  const work = openWork();
  const first = ask(work, { kind: "permission", options: OPTIONS });
  const second = ask(work);
  work.driver.accept({ type: "inquiry.close", inquiryId: first.inquiryId, by: "time-out" });
  work.driver.finish(work.leased);
  const states = [first, second].map(({ inquiryId }) => selectInquiry(work.driver.room.sql, inquiryId));
  expect(states.map((inquiry) => [inquiry?.state, inquiry?.by])).toEqual([
    ["closed", "time-out"],
    ["closed", "attempt-ended"],
  ]);
  const late = { type: "inquiry.open", kind: "question", sessionId: work.sessionId, text: "Late?" };
  expect(work.driver.submit(late)).toMatchObject({ code: "session.ended" });
});

test("[IQ5] work beyond its budget goes on only when a person says so, with as much again", () => {
  const work = openWork();
  const { driver } = work;
  const budget = ask(work, { kind: "budget", options: OPTIONS });
  park(work, budget.inquiryId);
  driver.startRun({ watch: true });
  driver.accept({ type: "inquiry.answer", inquiryId: budget.inquiryId, answer: "no" });
  expect(driver.lease()).toEqual([]);
  const second = openWork();
  const other = ask(second, { kind: "budget", options: OPTIONS });
  park(second, other.inquiryId);
  second.driver.startRun({ watch: true });
  second.driver.accept({ type: "inquiry.answer", inquiryId: other.inquiryId, answer: "yes" });
  const { payload } = beginAttempt(second.driver).leased;
  if (payload.kind !== "attempt") throw new Error("no attempt");
  expect([payload.spent?.grants, payload.spent?.task.steps]).toEqual([1, 0]);
});

test("[IQ6] what a resolver asks says whose change it mends; the author itself is nobody's child", () => {
  const work = openWork();
  const { driver } = work;
  const subAgent = { subAgentId: "agent-1", name: "look around" };
  expect(ask(work, { subAgent })).toMatchObject({ sessionId: work.sessionId, parent: null, subAgent });
  driver.finish(work.leased);
  const [build] = driver.lease(["build"]);
  if (build?.payload.kind !== "build") throw new Error("nothing is to be built");
  const policy = testQueuePolicy({ resolver: testBudget(1) });
  driver.accept(stackBuild(build, buildOutcomes(build.payload, ["doubtful"]), policy));
  const resolver = beginAttempt(driver);
  expect(ask(resolver, { kind: "permission", options: OPTIONS })).toMatchObject({
    sessionId: resolver.sessionId,
    parent: { sessionId: work.sessionId, role: "resolver" },
    subAgent: null,
  });
});
