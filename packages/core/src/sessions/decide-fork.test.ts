import type { AttemptJob, Json, LeasedJob, Task } from "@canopy/protocol";
import { attemptResult, openProjectDriver, openTestRoom } from "@canopy/testkit";
import type { ProjectDriver } from "@canopy/testkit";
import { ZERO_USAGE } from "@canopy/protocol";
import { expect, test } from "vitest";
import { featureRoom } from "../rooms/feature-room.ts";
import { selectLastEndedTurn, selectOrigin, selectPast } from "../turns/select-past.ts";
import { selectSession } from "./session-feature.ts";

interface Begun {
  readonly leased: LeasedJob;
  readonly job: AttemptJob;
}

function begin(driver: ProjectDriver): Begun {
  const [leased] = driver.lease(["attempt"], 1);
  if (leased?.payload.kind !== "attempt") throw new Error("no attempt to lease");
  const { jobId, fence } = leased.job;
  driver.accept({ type: "attempt.start", jobId, fence, baseCommit: "base", workspaceBackend: "overlay" });
  return { leased, job: leased.payload };
}

function fork(driver: ProjectDriver, sessionId: string, fields: Record<string, Json> = {}): Task {
  const command = {
    type: "session.fork",
    sessionId,
    throughTurnId: "trn_one",
    prompt: "Otherwise",
    ...fields,
  };
  return driver.accept(command)["task"] as unknown as Task;
}

/** A task of an agent that has done its work, which has not landed yet. */
function openOriginal(): { readonly driver: ProjectDriver; readonly original: AttemptJob } {
  const driver = openProjectDriver();
  driver.addTask("Original", { agent: "claude", model: "opus" });
  driver.startRun({ watch: true });
  const { leased, job } = begin(driver);
  driver.finish(leased);
  return { driver, original: job };
}

test("[FK1] a fork is a task of its own, by the same agent and model unless others are named", () => {
  const { driver, original } = openOriginal();
  const before = selectSession(driver.room.sql, original.sessionId);
  const forkOf = { sessionId: original.sessionId, throughTurnId: "trn_one", attemptId: original.attemptId };
  const same = fork(driver, original.sessionId);
  expect([same.title, same.description, same.agent, same.model, same.forkOf]).toEqual([
    "Fork of: Original",
    "Otherwise",
    "claude",
    "opus",
    forkOf,
  ]);
  const other = fork(driver, original.sessionId, { agent: "codex", title: "By another" });
  expect([other.title, other.agent, other.model]).toEqual(["By another", "codex", null]);
  expect(selectSession(driver.room.sql, original.sessionId)).toEqual(before);
  const missing = { type: "session.fork", sessionId: "ses_none", throughTurnId: "trn_one", prompt: "x" };
  expect(driver.submit(missing)).toMatchObject({ code: "session.not-found" });
});

test("[FK2] it begins with what has not landed, and with the branch for what has", () => {
  const { driver, original } = openOriginal();
  fork(driver, original.sessionId);
  const first = begin(driver);
  expect([first.job.forkOf?.work, first.job.continues]).toEqual([
    { baseCommit: "base", commit: "work" },
    null,
  ]);
  expect(selectSession(driver.room.sql, first.job.sessionId)?.forkOf).toEqual({
    sessionId: original.sessionId,
    throughTurnId: "trn_one",
  });
  expect(driver.land().length).toBe(1);
  fork(driver, original.sessionId);
  expect(begin(driver).job.forkOf?.work).toBe(null);
});

test("[FK3] an agent's memory is copied by itself, and of a session that is over", () => {
  const { driver, original } = openOriginal();
  fork(driver, original.sessionId);
  fork(driver, original.sessionId, { agent: "codex" });
  const wholes = [begin(driver), begin(driver)].map(({ job }) => [job.agent, job.forkOf?.isWhole]);
  expect(wholes).toEqual([
    ["claude", true],
    ["codex", false],
  ]);
});

test("[FK3] of a session that is at work, or has gone on since, our transcript is told", () => {
  const driver = openProjectDriver();
  driver.addTask("Original");
  driver.startRun({ watch: true });
  const first = begin(driver);
  fork(driver, first.job.sessionId);
  expect(begin(driver).job.forkOf).toMatchObject({
    isWhole: false,
    work: null,
    atWork: { attemptId: first.job.attemptId, baseCommit: "base" },
  });
  driver.finish(first.leased, attemptResult({ outcome: "interrupted", capture: null }));
  // It goes on in another attempt: the fork was of the one before.
  const next = begin(driver);
  expect(next.job.sessionId).toBe(first.job.sessionId);
  driver.finish(next.leased);
  fork(driver, first.job.sessionId, { title: "Of the whole" });
  expect(begin(driver).job.forkOf).toMatchObject({ isWhole: true });
});

test("[FK4] a fork of a fork begins with all before it, and with nothing that came after its point", () => {
  const room = openTestRoom(featureRoom);
  const session = (sessionId: string, rest: Record<string, Json> = {}): Record<string, Json> => ({
    sessionId,
    featureId: "ftr_general",
    attemptId: null,
    taskId: null,
    title: "t",
    agent: "a",
    model: null,
    nativeSessionId: null,
    state: "starting",
    endReason: null,
    usage: { ...ZERO_USAGE },
    openedAtMs: 0,
    endedAtMs: null,
    ...rest,
  });
  const turn = (sessionId: string, text: string, isOver = true): Json => {
    const submit = { type: "prompt.submit", sessionId, author: "ada", text };
    const { promptId } = room.accept(submit);
    const { turnId } = room.accept({ type: "turn.start", sessionId, promptId: promptId! });
    const events = [{ type: "message.done", text: `answer to ${text}` }];
    room.accept({ type: "turn.append", sessionId, turnId: turnId!, events });
    if (isOver) room.accept({ type: "turn.end", sessionId, turnId: turnId!, reason: "end_turn" });
    return turnId!;
  };
  const said = (lines: ReturnType<typeof selectPast>): unknown =>
    lines?.lines.flatMap((line) => ("text" in line ? [line.text] : []));
  room.accept({ type: "session.open", session: session("ses_one") });
  expect(selectLastEndedTurn(room.room.sql, "ses_one")).toBe(null);
  const one = turn("ses_one", "one");
  turn("ses_one", "later", false);
  expect(selectLastEndedTurn(room.room.sql, "ses_one")?.turnId).toBe(one);
  const point = { sessionId: "ses_one", throughTurnId: one };
  room.accept({ type: "session.open", session: session("ses_two", { forkOf: point }) });
  expect(selectPast(room.room.sql, "ses_two")).toBe(null);
  const two = turn("ses_two", "two");
  turn("ses_two", "beyond");
  const origin = selectOrigin(room.room.sql, { sessionId: "ses_two", throughTurnId: two } as never);
  expect(said(origin)).toEqual(["one", "answer to one", "two", "answer to two"]);
  expect(said(selectPast(room.room.sql, "ses_two"))).toEqual([
    "one",
    "answer to one",
    "two",
    "answer to two",
    "beyond",
    "answer to beyond",
  ]);
});
