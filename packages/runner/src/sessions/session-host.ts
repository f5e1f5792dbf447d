import type { AttemptJob, Image, PermissionConfig, PromptId, WorkspaceTools } from "@canopy/protocol";
import type { AgentMcpServer, PromptImage, TranscriptLine } from "@canopy/agents";

/** A session that an agent is about to work in. */
export interface SessionOpening {
  readonly job: AttemptJob;
  /** False for agents that hold no conversation: they are told nothing, use no tools, and begin anew each time. */
  readonly isConversational: boolean;
  /** A private folder that exists, writable from here and seen by the session's processes under the same path. */
  readonly socketFolder: string;
  readonly workspace: WorkspaceTools;
  readonly permissions: Pick<PermissionConfig, "questions" | "question_wait">;
}

/** What a session's agent had said and done so far. */
export interface SessionPast {
  /** The agent's own name of the conversation. */
  readonly nativeSessionId: string | null;
  readonly transcript: readonly TranscriptLine[];
}

/** What an agent is asked in one turn. `promptId` is null for one that the room does not have yet. */
export interface TurnPrompt {
  readonly promptId: PromptId | null;
  readonly text: string;
  readonly images: readonly Image[];
  readonly author: string;
}

/** What a session's agent is told and may use. Disposing takes its tools away. */
export interface HostedSession extends AsyncDisposable {
  readonly systemText: string | null;
  readonly mcpServers: readonly AgentMcpServer[];
  /** What was before, as of now; null when the session is new. */
  readPast(): SessionPast | null;
  /** What a fork begins with; null for a session that is none. Without a `nativeSessionId` only our transcript is known. */
  readOrigin(): SessionPast | null;
  /** What somebody asked of the session and is next in line; null when nothing is. */
  nextPrompt(): TurnPrompt | null;
  /** Reads a picture of a prompt. Throws `thing.not-found` when it is not kept any more. */
  readImage(image: Image): Promise<PromptImage>;
  /** Calls `listener` when something is to be asked instead of the running turn. Returns a function that ends it. */
  onInterrupt(listener: () => void): () => void;
}

/** Where a runner gets what it does not decide by itself: what agents are told, their past, and the tools of the rooms. */
export interface SessionHost {
  open(opening: SessionOpening): Promise<HostedSession>;
}
