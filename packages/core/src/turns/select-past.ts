import type { AgentEvent, Prompt, TranscriptEntry, Turn } from "@canopy/protocol";
import type { Sql } from "../kernel/sql.ts";
import { parseColumn } from "../kernel/sql.ts";
import { selectFeatureSession } from "./turn-feature.ts";

/** One thing that was said or done in a session; prompts are not among an agent's events. */
export type PastLine = { readonly type: "prompt"; readonly text: string } | AgentEvent;

/** The newest entries are enough: what goes on with a session is told the end of it. */
const MAX_ENTRIES = 2_000;

/** What a session's agent had said and done, and its own name of it; null when it had no turn yet. */
export function selectPast(
  sql: Sql,
  sessionId: string,
): { readonly nativeSessionId: string | null; readonly lines: readonly PastLine[] } | null {
  const session = selectFeatureSession(sql, sessionId);
  if (session === undefined) return null;
  const turns = sql
    .exec("SELECT value FROM turns WHERE session_id = ? ORDER BY position", sessionId)
    .map((row) => parseColumn<Turn>(row, "value"));
  if (turns.length === 0) return null;
  const prompts = new Map(
    sql
      .exec("SELECT value FROM prompts WHERE session_id = ?", sessionId)
      .map((row) => parseColumn<Prompt>(row, "value"))
      .map((prompt) => [prompt.promptId, prompt]),
  );
  const entries = sql
    .exec(
      "SELECT value FROM transcript WHERE session_id = ? ORDER BY position DESC LIMIT ?",
      sessionId,
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
  return { nativeSessionId: session.nativeSessionId, lines };
}
