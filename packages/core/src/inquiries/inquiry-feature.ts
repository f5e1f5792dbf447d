import type { Inquiry, Json, ProjectCommand, ProjectEvent } from "@canopy/protocol";
import { reject } from "@canopy/protocol";
import type { DecideAnswer, DecideContext, RoomFeature } from "../kernel/room-definition.ts";
import { accept } from "../kernel/room-definition.ts";
import type { Sql } from "../kernel/sql.ts";
import { parseColumn } from "../kernel/sql.ts";
import { selectAttempt, selectHolds } from "../runs/run-rows.ts";
import { selectSession, setSessionState } from "../sessions/session-feature.ts";
import { describeAnswer } from "../tasks/build-prompt.ts";
import { findParent } from "./find-parent.ts";
import { addComment } from "../tasks/decide-task.ts";
import { selectTask } from "../tasks/select-tasks.ts";

type Context = DecideContext<ProjectEvent>;
type Command<T extends ProjectCommand["type"]> = Extract<ProjectCommand, { type: T }>;

/** One inquiry, or undefined. */
export function selectInquiry(sql: Sql, inquiryId: string): Inquiry | undefined {
  const [row] = sql.exec("SELECT value FROM inquiries WHERE inquiry_id = ?", inquiryId);
  return row === undefined ? undefined : parseColumn<Inquiry>(row, "value");
}

/** Inquiries that wait for an answer, oldest first. */
export function selectOpenInquiries(sql: Sql): Inquiry[] {
  return sql
    .exec("SELECT value FROM inquiries WHERE state = 'open' ORDER BY inquiry_id")
    .map((row) => parseColumn<Inquiry>(row, "value"));
}

/** How often a person let the work on a task go on beyond its budget. */
export function countBudgetGrants(sql: Sql, taskId: string): number {
  return sql
    .exec("SELECT value FROM inquiries WHERE state = 'answered'")
    .map((row) => parseColumn<Inquiry>(row, "value"))
    .filter((inquiry) => inquiry.taskId === taskId && inquiry.kind === "budget" && letsGoOn(inquiry)).length;
}

/** The newest inquiries, newest first. */
export function selectInquiries(sql: Sql, limit: number): Inquiry[] {
  return sql
    .exec("SELECT value FROM inquiries ORDER BY inquiry_id DESC LIMIT ?", limit)
    .map((row) => parseColumn<Inquiry>(row, "value"));
}

function inquiryResult(inquiry: Inquiry): DecideAnswer {
  return accept({ inquiry: { ...inquiry } as unknown as Json });
}

function decideOpen(context: Context, command: Command<"inquiry.open">): DecideAnswer {
  const { kind, sessionId, text, options, details, subAgent } = command;
  const session = selectSession(context.sql, sessionId);
  if (session === undefined) return reject("session.not-found", `no session ${sessionId}`);
  const { attemptId, taskId, state } = session;
  if (state === "ended" || attemptId === null || taskId === null)
    return reject("session.ended", `session ${sessionId} is not at work`);
  const inquiry: Inquiry = {
    inquiryId: context.newId("inquiry"),
    kind,
    sessionId,
    attemptId,
    taskId,
    parent: findParent(context.sql, selectAttempt(context.sql, attemptId)),
    subAgent,
    text,
    options,
    details,
    state: "open",
    answer: null,
    by: null,
    openedAtMs: context.nowMs,
    endedAtMs: null,
  };
  context.emit({ type: "inquiry.opened", inquiry });
  setSessionState(context, sessionId, "waiting");
  return inquiryResult(inquiry);
}

function fitsOptions(inquiry: Inquiry, answer: Command<"inquiry.answer">["answer"]): boolean {
  if (answer === null) return inquiry.kind !== "question";
  if (inquiry.options.length === 0) return true;
  return typeof answer === "string" && inquiry.options.some((option) => option.optionId === answer);
}

function findOpen(context: Context, inquiryId: string): Inquiry | DecideAnswer {
  const inquiry = selectInquiry(context.sql, inquiryId);
  if (inquiry === undefined) return reject("inquiry.not-found", `no inquiry ${inquiryId}`);
  if (inquiry.state === "open") return inquiry;
  return reject(
    "inquiry.not-open",
    `inquiry ${inquiryId} is ${inquiry.state} already, by ${inquiry.by ?? "?"}`,
  );
}

function decideAnswer(context: Context, command: Command<"inquiry.answer">): DecideAnswer {
  const found = findOpen(context, command.inquiryId);
  if (!("inquiryId" in found)) return found;
  if (!fitsOptions(found, command.answer)) {
    const known = found.options.map((option) => option.optionId).join(", ");
    return reject("command.invalid", known === "" ? "a question needs an answer" : `answer one of: ${known}`);
  }
  const inquiry: Inquiry = {
    ...found,
    state: "answered",
    answer: command.answer,
    by: context.actor.id,
    endedAtMs: context.nowMs,
  };
  context.emit({ type: "inquiry.answered", inquiry });
  const attempt = selectAttempt(context.sql, inquiry.attemptId);
  if (attempt?.state === "running") setSessionState(context, inquiry.sessionId, "active");
  if (inquiry.kind === "question") noteAnswer(context, inquiry);
  if (letsGoOn(inquiry)) liftParking(context, inquiry.taskId);
  return inquiryResult(inquiry);
}

/** Who is refused more of a budget stays where it is. */
function letsGoOn({ kind, answer, options }: Inquiry): boolean {
  if (kind !== "budget") return true;
  return options.some((option) => option.optionId === answer && option.kind.startsWith("allow"));
}

function liftParking(context: Context, taskId: string): void {
  for (const hold of selectHolds(context.sql)) {
    if (hold.taskId === taskId && (hold.cause === "question" || hold.cause === "budget"))
      context.emit({ type: "hold.lifted", taskId: hold.taskId, runId: hold.runId });
  }
}

/** Whoever works on the task later, and whatever becomes of the session, knows what was asked and answered. */
function noteAnswer(context: Context, inquiry: Inquiry): void {
  const task = selectTask(context.sql, inquiry.taskId);
  if (task === undefined) return;
  addComment(
    context,
    task,
    `Asked: ${inquiry.text}\nAnswer: ${describeAnswer(inquiry.answer)}`.slice(0, 10_000),
  );
}

function decideClose(context: Context, { inquiryId, by }: Command<"inquiry.close">): DecideAnswer {
  const found = findOpen(context, inquiryId);
  if (!("inquiryId" in found)) return found;
  closeInquiry(context, found, by);
  return accept();
}

function closeInquiry(context: Context, inquiry: Inquiry, by: string): void {
  context.emit({
    type: "inquiry.closed",
    inquiry: { ...inquiry, state: "closed", by, endedAtMs: context.nowMs },
  });
  const attempt = selectAttempt(context.sql, inquiry.attemptId);
  if (attempt?.state === "running") setSessionState(context, inquiry.sessionId, "active");
}

/** Closes what an attempt has left open; the one that it is parked for stays. */
export function closeInquiriesOf(context: Context, attemptId: string, parkedFor: string | null): void {
  for (const inquiry of selectOpenInquiries(context.sql)) {
    if (inquiry.attemptId === attemptId && inquiry.inquiryId !== parkedFor)
      closeInquiry(context, inquiry, "attempt-ended");
  }
}

function writeInquiry(sql: Sql, { inquiry }: { readonly inquiry: Inquiry }): void {
  sql.exec(
    `INSERT INTO inquiries (inquiry_id, state, value) VALUES (?, ?, ?)
     ON CONFLICT (inquiry_id) DO UPDATE SET state = excluded.state, value = excluded.value`,
    inquiry.inquiryId,
    inquiry.state,
    JSON.stringify(inquiry),
  );
}

/** What sessions ask of people. */
export const inquiryFeature: RoomFeature<ProjectCommand, ProjectEvent> = {
  name: "inquiries",
  migrations: [
    {
      id: "inquiries-1",
      statements: [
        "CREATE TABLE inquiries (inquiry_id TEXT PRIMARY KEY, state TEXT NOT NULL, value TEXT NOT NULL)",
        "CREATE INDEX inquiries_by_state ON inquiries (state)",
      ],
    },
  ],
  tables: ["inquiries"],
  decide: {
    "inquiry.open": decideOpen,
    "inquiry.answer": decideAnswer,
    "inquiry.close": decideClose,
  },
  project: {
    "inquiry.opened": writeInquiry,
    "inquiry.answered": writeInquiry,
    "inquiry.closed": writeInquiry,
  },
};
