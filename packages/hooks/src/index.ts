export { HOOK_AGENTS, isHookAgent } from "./events/hook-call.ts";
export type { HookAgent, HookCall, HookEvent } from "./events/hook-call.ts";
export { MAX_HOOK_PAYLOAD_BYTES, parseHookCall } from "./events/parse-hook-call.ts";
export type { Certainty, FileIntent, GitIntent, GitTouches, ToolIntent } from "./intents/tool-intent.ts";
export { NO_REPLY } from "./replies/hook-reply.ts";
export type { HookReply } from "./replies/hook-reply.ts";
