export { HOOK_AGENTS, isHookAgent } from "./events/hook-call.ts";
export type { HookAgent, HookCall, HookEvent } from "./events/hook-call.ts";
export { MAX_HOOK_PAYLOAD_CHARS, parseHookCall } from "./events/parse-hook-call.ts";
export { ToolMemory } from "./events/tool-memory.ts";
export type { Certainty, FileIntent, GitIntent, GitTouches, ToolIntent } from "./intents/tool-intent.ts";
export { NO_REPLY } from "./replies/hook-reply.ts";
export type { HookReply } from "./replies/hook-reply.ts";
export { openHostFiles } from "./intents/host-files.ts";
export type { HostFiles } from "./intents/host-files.ts";
export { readShellIntents } from "./intents/read-shell-intents.ts";
export { EMPTY_ANSWER, renderReply } from "./replies/render-reply.ts";
export type { RenderedReply, ReplyPart } from "./replies/rendered-reply.ts";
export { parseGitHookCall } from "./git/git-hook-call.ts";
export type { GitHookCall, RefUpdate } from "./git/git-hook-call.ts";
export { HOOK_CLIENT_FOLDER } from "./client/client-folder.ts";
export { applyEdits } from "./setup/apply-edits.ts";
export { checkSetup } from "./setup/check-setup.ts";
export type { SetupFinding } from "./setup/check-setup.ts";
export { diffEdits } from "./setup/diff-edits.ts";
export { planClientRemoval, planClientSetup, planSetup, planUninstall } from "./setup/plan-setup.ts";
export type { FileEdit } from "./setup/plan-setup.ts";
export type { McpServer, SetupRequest, SetupScope } from "./setup/setup-request.ts";
export {
  applyGitSteps,
  describeGitSteps,
  findHooksFolder,
  planGitSetup,
  planGitUninstall,
} from "./setup/git-setup.ts";
export type { GitHookStep } from "./setup/git-setup.ts";
export { findAgent } from "./setup/find-agent.ts";
export type { FoundAgent } from "./setup/find-agent.ts";
export { ensureHookToken, hookTokenPath, readHookToken } from "./setup/hook-token.ts";
