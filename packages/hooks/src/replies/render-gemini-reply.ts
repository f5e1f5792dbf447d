import type { HookCall } from "../events/hook-call.ts";
import { boundReason, boundText, joinTexts } from "./bound-text.ts";
import type { HookReply } from "./hook-reply.ts";
import { ReplyDraft } from "./rendered-reply.ts";
import type { RenderedReply } from "./rendered-reply.ts";

const CONTEXT_EVENTS: ReadonlySet<string> = new Set(["SessionStart", "BeforeAgent", "AfterTool"]);

/** A reply for Gemini CLI: it cannot ask (so it denies), and takes context with a denial only as a part of its reason. */
export function renderGeminiReply(call: HookCall, reply: HookReply): RenderedReply {
  const draft = new ReplyDraft(reply);
  const name = call.nativeEvent;
  const body: Record<string, unknown> = {};
  if (name === "BeforeTool" && (reply.decision === "deny" || reply.decision === "ask")) {
    body["decision"] = "deny";
    body["reason"] = boundReason(joinTexts(reply));
    draft.settle("decision");
    draft.settle("context");
  }
  if (name === "AfterAgent" && reply.keepWorking !== null) {
    body["decision"] = "deny";
    body["reason"] = boundText(reply.keepWorking);
    draft.settle("keepWorking");
  }
  if (CONTEXT_EVENTS.has(name) && reply.context !== null) {
    body["hookSpecificOutput"] = { hookEventName: name, additionalContext: boundText(reply.context) };
    draft.settle("context");
  }
  if (reply.notice !== null && name !== "SessionEnd") {
    body["systemMessage"] = boundText(reply.notice);
    draft.settle("notice");
  }
  return draft.finish(body);
}
