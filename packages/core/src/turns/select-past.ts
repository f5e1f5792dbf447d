import type { AgentEvent, ForkPoint, Prompt, TranscriptEntry, Turn } from "@canopy/protocol";
import type { Sql } from "../kernel/sql.ts";
import { parseColumn } from "../kernel/sql.ts";
import { selectFeatureSession } from "./turn-feature.ts";

/** One thing that was said or done in a session; prompts are not among an agent's events. */
export type PastLine = { readonly type: "prompt"; readonly text: string } | AgentEvent;

/** What a session's agent had said and done, and its own name of it. */
export interface Past {
  readonly nativeSessionId: string | null;
  readonly lines: readonly PastLine[];
}

/** The newest entries are enough: what goes on with a session is told the end of it. */
const MAX_ENTRIES = 2_000;
/** Forks of forks; what is further back does not fit into what an agent is told. */
const MAX_FORKS = 20;

function selectTurns(sql: Sql, sessionId: string): Turn[] {
  return sql
    .exec("SELECT value FROM turns WHERE session_id = ? ORDER BY position", sessionId)
    .map((row) => parseColumn<Turn>(row, "value"));
}

/** The last turn of a session that is over, or null: where a fork of it can begin. */
export function selectLastEndedTurn(sql: Sql, sessionId: string): Turn | null {
  return selectTurns(sql, sessionId).findLast((turn) => turn.state === "ended") ?? null;
}

function selectLines(sql: Sql, sessionId: string, turns: readonly Turn[]): PastLine[] {
  const prompts = new Map(
    sql
      .exec("SELECT value FROM prompts WHERE session_id = ?", sessionId)
      .map((row) => parseColumn<Prompt>(row, "value"))
      .map((prompt) => [prompt.promptId, prompt]),
  );
  const entries = sql
    .exec(
      `SELECT value FROM transcript WHERE session_id = ?
         AND json_extract(value, '$.turnId') IN (SELECT value FROM json_each(?))
       ORDER BY position DESC LIMIT ?`,
      sessionId,
      JSON.stringify(turns.map((turn) => turn.turnId)),
      MAX_ENTRIES,
    )
    .map((row) => parseColumn<TranscriptEntry>(row, "value"))
    .toReversed();
  const byTurn = Map.groupBy(entries, (entry) => entry.turnId);
  const lines: PastLine[] = [];
  for (const turn of turns) {
    const text = prompts.get(turn.promptId)?.text;
    if (text !== undefined) lines.push({ type: "prompt", text });
    for (const entry of byTurn.get(turn.turnId) ?? []) lines.push(entry.event);
    if (turn.reason !== null) lines.push({ type: "turn.ended", reason: turn.reason });
  }
  return lines;
}

/** What a fork begins with: everything up to its point, also what that session had begun with itself. */
export function selectOrigin(sql: Sql, { sessionId, throughTurnId }: ForkPoint, depth = 0): Past | null {
  const session = selectFeatureSession(sql, sessionId);
  const turns = selectTurns(sql, sessionId);
  const last = turns.findIndex((turn) => turn.turnId === throughTurnId);
  if (session === undefined || last === -1) return null;
  const before =
    session.forkOf === undefined || depth >= MAX_FORKS ? null : selectOrigin(sql, session.forkOf, depth + 1);
  const lines = selectLines(sql, sessionId, turns.slice(0, last + 1));
  return { nativeSessionId: session.nativeSessionId, lines: [...(before?.lines ?? []), ...lines] };
}

/** What a session's agent had said and done, and what it had begun with; null when it had no turn yet. */
export function selectPast(sql: Sql, sessionId: string): Past | null {
  const last = selectTurns(sql, sessionId).at(-1);
  return last === undefined
    ? null
    : selectOrigin(sql, { sessionId: last.sessionId, throughTurnId: last.turnId });
}
