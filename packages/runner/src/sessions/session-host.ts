import type { AttemptJob, WorkspaceTools } from "@canopy/protocol";
import type { AgentMcpServer, TranscriptLine } from "@canopy/agents";

/** A session that an agent is about to work in. */
export interface SessionOpening {
  readonly job: AttemptJob;
  /** A private folder that exists, writable from here and seen by the session's processes under the same path. */
  readonly socketFolder: string;
  readonly workspace: WorkspaceTools;
}

/** What a session's agent had said and done before this attempt. */
export interface SessionPast {
  /** The agent's own name of the conversation. */
  readonly nativeSessionId: string | null;
  readonly transcript: readonly TranscriptLine[];
}

/** What a session's agent is told and may use. Disposing takes its tools away. */
export interface HostedSession extends AsyncDisposable {
  readonly systemText: string;
  readonly mcpServers: readonly AgentMcpServer[];
  /** Null when the session is new. */
  readonly past: SessionPast | null;
}

/** Where a runner gets what it does not decide by itself: what agents are told, their past, and the tools of the rooms. */
export interface SessionHost {
  open(opening: SessionOpening): Promise<HostedSession>;
}
