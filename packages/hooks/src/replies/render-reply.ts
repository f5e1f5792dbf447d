import type { HookAgent, HookCall } from "../events/hook-call.ts";
import type { HookReply } from "./hook-reply.ts";
import { renderClaudeReply } from "./render-claude-reply.ts";
import { renderCursorReply } from "./render-cursor-reply.ts";
import { renderGeminiReply } from "./render-gemini-reply.ts";
import { renderOpenCodeReply } from "./render-opencode-reply.ts";
import type { RenderedReply } from "./rendered-reply.ts";

const RENDERERS: Readonly<Record<HookAgent, (call: HookCall, reply: HookReply) => RenderedReply>> = {
  claude: renderClaudeReply,
  codex: renderClaudeReply,
  gemini: renderGeminiReply,
  cursor: renderCursorReply,
  opencode: renderOpenCodeReply,
};

/** A reply in the form of the agent that called (the README's table says what falls back to what); texts are cut at 10,000 characters. */
export function renderReply(call: HookCall, reply: HookReply): RenderedReply {
  return RENDERERS[call.dialect](call, {
    ...reply,
    context: dropBlank(reply.context),
    notice: dropBlank(reply.notice),
    keepWorking: dropBlank(reply.keepWorking),
  });
}

function dropBlank(text: string | null): string | null {
  return text === null || text.trim() === "" ? null : text;
}

/** The answer to a call that could not be read: nothing, in a form that every agent takes. */
export const EMPTY_ANSWER = "{}";
