import type { AgentConnection } from "./agent-connection.ts";
import type { StepType, StepValue } from "./script-schema.ts";

/** Tokens of a turn, as ACP's prompt result names them. */
export interface TurnUsage {
  inputTokens: number;
  outputTokens: number;
  cachedReadTokens: number;
  cachedWriteTokens: number;
}

/** A turn that is being played. */
export interface Stage {
  readonly connection: AgentConnection;
  readonly sessionId: string;
  readonly cwd: string;
  readonly signal: AbortSignal;
  readonly chunkMs: number;
  readonly usage: TurnUsage;
  /** Money of the whole session. */
  readonly cost: { usd: number | null };
  /** Makes the next tool call id. */
  nextToolId(): string;
}

/** Ends the turn with this stop reason. */
export interface StopSignal {
  readonly stopReason: string;
}

/** Plays one step; a value ends the turn. */
export type Player<K extends StepType> = (stage: Stage, value: StepValue<K>) => Promise<StopSignal | null>;

/** Sends one `session/update`. */
export function sendUpdate(stage: Stage, update: unknown): Promise<void> {
  return stage.connection.notify("session/update", { sessionId: stage.sessionId, update });
}
