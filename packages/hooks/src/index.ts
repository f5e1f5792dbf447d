export { HOOK_AGENTS, isHookAgent } from "./events/hook-call.ts";
export type { HookAgent, HookCall, HookEvent } from "./events/hook-call.ts";
export { MAX_HOOK_PAYLOAD_CHARS, parseHookCall } from "./events/parse-hook-call.ts";
export type { Certainty, FileIntent, GitIntent, GitTouches, ToolIntent } from "./intents/tool-intent.ts";
export { NO_REPLY } from "./replies/hook-reply.ts";
export type { HookReply } from "./replies/hook-reply.ts";
export { openHostFiles } from "./intents/host-files.ts";
export type { HostFiles } from "./intents/host-files.ts";
export { readShellIntents } from "./intents/read-shell-intents.ts";
