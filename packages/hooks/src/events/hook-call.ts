import type { ToolIntent } from "../intents/tool-intent.ts";

/** The agents whose hooks are understood. */
export const HOOK_AGENTS = ["claude", "codex", "gemini", "cursor", "opencode"] as const;

/** One of the agents whose hooks are understood. */
export type HookAgent = (typeof HOOK_AGENTS)[number];

/** Whether a text names such an agent. */
export function isHookAgent(value: string): value is HookAgent {
  return HOOK_AGENTS.some((agent) => agent === value);
}

/** What happened in an agent, in terms that hold for all of them. What no rule knows is `other`, under the agent's own name. */
export type HookEvent =
  | { readonly type: "session-start"; readonly source: string }
  | { readonly type: "prompt"; readonly text: string }
  | {
      readonly type: "before-tool";
      readonly tool: string;
      readonly toolUseId: string | null;
      readonly intents: readonly ToolIntent[];
    }
  | {
      readonly type: "after-tool";
      readonly tool: string;
      readonly toolUseId: string | null;
      readonly intents: readonly ToolIntent[];
      readonly failed: boolean;
    }
  /** All tools of one model message are done; their calls were told one by one before. */
  | { readonly type: "after-batch" }
  /** The call's `childId` and `childKind` say which. */
  | { readonly type: "child-start" }
  | { readonly type: "child-end"; readonly stopHookActive: boolean }
  /** `stopHookActive`: the agent is working on because a hook said so; keeping it again may loop. */
  | { readonly type: "turn-end"; readonly stopHookActive: boolean }
  /** `kind` in the agent's words: `idle_prompt`, `permission_prompt`, ... */
  | { readonly type: "notification"; readonly kind: string }
  | { readonly type: "compact"; readonly phase: "before" | "after" }
  | { readonly type: "cwd-changed"; readonly cwd: string }
  | { readonly type: "session-end"; readonly reason: string }
  | { readonly type: "other"; readonly name: string };

/** One call of a hook. */
export interface HookCall {
  readonly agent: HookAgent;
  /** Whose form the answer must have: Cursor also runs the hooks of Claude's settings, and then differs from `agent`. */
  readonly dialect: HookAgent;
  /** The agent's own name of the event, as it must come back in some answers. */
  readonly nativeEvent: string;
  readonly nativeSessionId: string;
  /** Where the agent works now; empty when it did not say. */
  readonly cwd: string;
  /** The subagent that this is about, null for the main one. The session id is the parent's. */
  readonly childId: string | null;
  readonly childKind: string | null;
  readonly model: string | null;
  readonly event: HookEvent;
}
