import type { Attempt, Inquiry } from "@canopy/protocol";
import type { Sql } from "../kernel/sql.ts";
import { selectChange } from "../merge-queue/change-rows.ts";
import { selectAttempt } from "../runs/run-rows.ts";

/** The session that wrote the change which this attempt mends in a session of its own, and as what it does so; else null. */
export function findParent(sql: Sql, attempt: Attempt | undefined): Inquiry["parent"] {
  if (attempt?.ladder == null || attempt.role === "worker") return null;
  const change = selectChange(sql, attempt.ladder.changeId);
  const owner = change === undefined ? undefined : selectAttempt(sql, change.attemptId);
  if (owner === undefined || owner.sessionId === attempt.sessionId) return null;
  return { sessionId: owner.sessionId, role: attempt.role };
}
