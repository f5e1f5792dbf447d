import type { LeafCondition, Wait, WaitCondition } from "@canopy/protocol";
import { selectTicket, selectTouchesSince } from "../claims/claim-rows.ts";
import { findBlockers } from "../claims/find-blockers.ts";
import type { Sql } from "../kernel/sql.ts";
import { hasQueuedMail, selectReplies } from "../mail/mail-rows.ts";
import { selectChange } from "../merge-queue/change-rows.ts";
import { handleOf, selectPresent } from "../presence/presence-rows.ts";
import { selectTask } from "../tasks/select-tasks.ts";

/** How a condition came true, as a sentence; null while it has not; `failed` when it no longer can. */
type Evaluation = { readonly done: string } | { readonly failed: string } | null;

type Context = Pick<Wait, "sessionId" | "startedSeq">;
type Evaluators = {
  readonly [T in LeafCondition["type"]]: (
    sql: Sql,
    leaf: Extract<LeafCondition, { type: T }>,
    wait: Context,
    nowMs: number,
  ) => Evaluation;
};

const done = (text: string): Evaluation => ({ done: text });

const EVALUATORS: Evaluators = {
  "claim-free": (sql, leaf, wait, nowMs) => {
    const want = {
      sessionId: wait.sessionId,
      targets: [leaf.target],
      mode: "exclusive",
      worktree: leaf.worktree,
    } as const;
    return findBlockers(sql, want, [], nowMs).length === 0 ? done(`${leaf.target.label} is free`) : null;
  },
  "claim-granted": (sql, leaf) => {
    const found = selectTicket(sql, leaf.ticketId);
    if (found === undefined) return { failed: `${leaf.ticketId} is no place in the line` };
    if (found.state === "queued") return null;
    const labels = found.ticket.targets.map((target) => target.label).join(", ");
    return found.state === "granted"
      ? done(`${labels} is yours`)
      : { failed: `the place for ${labels} is gone (${found.state})` };
  },
  "session-idle": (sql, leaf) => {
    const session = selectPresent(sql, leaf.sessionId);
    const isBusy = session !== undefined && ["starting", "active", "waiting"].includes(session.state);
    return isBusy ? null : done(`${handleOf(sql, leaf.sessionId)} is ${session?.state ?? "gone"}`);
  },
  "session-ended": (sql, leaf) => {
    const session = selectPresent(sql, leaf.sessionId);
    return session === undefined || session.state === "ended"
      ? done(`${handleOf(sql, leaf.sessionId)} has ended: ${session?.endReason ?? "gone"}`)
      : null;
  },
  message: (sql, leaf, wait) =>
    hasQueuedMail(sql, wait.sessionId, leaf) ? done("there is a message for you") : null,
  reply: (sql, leaf, wait) => {
    const reply = selectReplies(sql, leaf.messageId).find((message) => message.from !== wait.sessionId);
    return reply === undefined ? null : done(`${reply.fromName} answered ${leaf.messageId}`);
  },
  "file-changed": (sql, leaf, wait) => {
    const [touch] = selectTouchesSince(sql, leaf.key, wait.startedSeq, wait.sessionId);
    return touch === undefined ? null : done(`${handleOf(sql, touch.sessionId)} changed ${leaf.key}`);
  },
  "task-state": (sql, leaf) => {
    const task = selectTask(sql, leaf.taskId);
    if (task === undefined) return { failed: `there is no task ${leaf.taskId}` };
    return task.status === leaf.state ? done(`task #${task.number} is ${leaf.state}`) : null;
  },
  "change-landed": (sql, leaf) => {
    const change = selectChange(sql, leaf.changeId);
    if (change === undefined) return { failed: `there is no change ${leaf.changeId}` };
    if (change.state === "landed") return done(`${leaf.changeId} has landed`);
    return change.state === "abandoned" ? { failed: `${leaf.changeId} was abandoned` } : null;
  },
  "branch-merged": (sql, leaf, wait) => {
    const rows = sql.exec(
      "SELECT 1 AS found FROM merged_branches WHERE branch = ? AND into_branch = ? AND seq > ?",
      leaf.branch,
      leaf.into,
      wait.startedSeq,
    );
    return rows.length > 0 ? done(`${leaf.branch} is merged into ${leaf.into}`) : null;
  },
};

function evaluateLeaf(sql: Sql, leaf: LeafCondition, wait: Context, nowMs: number): Evaluation {
  const evaluate = EVALUATORS[leaf.type] as (
    sql: Sql,
    leaf: LeafCondition,
    wait: Context,
    nowMs: number,
  ) => Evaluation;
  return evaluate(sql, leaf, wait, nowMs);
}

/** Whether what is waited for is so, from the tables alone. */
export function evaluateCondition(
  sql: Sql,
  condition: WaitCondition,
  wait: Context,
  nowMs: number,
): Evaluation {
  if (condition.type !== "any" && condition.type !== "all") return evaluateLeaf(sql, condition, wait, nowMs);
  const all = condition.of.map((leaf) => evaluateLeaf(sql, leaf, wait, nowMs));
  const failed = all.filter((one) => one !== null && "failed" in one);
  const came = all.flatMap((one) => (one !== null && "done" in one ? [one.done] : []));
  if (condition.type === "any") {
    if (came[0] !== undefined) return { done: came[0] };
    return failed.length === all.length ? (failed[0] ?? null) : null;
  }
  if (failed[0] !== undefined) return failed[0];
  return came.length === all.length ? { done: came.join("; ") } : null;
}
