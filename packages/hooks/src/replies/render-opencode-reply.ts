import type { HookCall } from "../events/hook-call.ts";
import { boundReason, boundText, joinTexts } from "./bound-text.ts";
import type { HookReply } from "./hook-reply.ts";
import { ReplyDraft } from "./rendered-reply.ts";
import type { RenderedReply } from "./rendered-reply.ts";

const CONTEXT_EVENTS: ReadonlySet<string> = new Set(["chat.message", "tool.execute.after"]);

/**
 * A reply for Canopy's own plugin in OpenCode, which throws on `deny`, adds `context` to the prompt or to the tool's output, shows
 * `notice`, and prompts an idle session with `keepWorking`.
 */
export function renderOpenCodeReply(call: HookCall, reply: HookReply): RenderedReply {
  const draft = new ReplyDraft(reply);
  const name = call.nativeEvent;
  const body: Record<string, unknown> = {};
  if (name === "tool.execute.before" && (reply.decision === "deny" || reply.decision === "ask")) {
    body["deny"] = boundReason(joinTexts(reply));
    draft.settle("decision");
    draft.settle("context");
  }
  if (CONTEXT_EVENTS.has(name) && reply.context !== null) {
    body["context"] = boundText(reply.context);
    draft.settle("context");
  }
  if (name === "session.idle" && reply.keepWorking !== null) {
    body["keepWorking"] = boundText(reply.keepWorking);
    draft.settle("keepWorking");
  }
  if (reply.notice !== null) {
    body["notice"] = boundText(reply.notice);
    draft.settle("notice");
  }
  return draft.finish(body);
}
