import type { HookCall } from "../events/hook-call.ts";
import { boundReason, boundText, joinTexts } from "./bound-text.ts";
import type { HookReply } from "./hook-reply.ts";
import { ReplyDraft } from "./rendered-reply.ts";
import type { RenderedReply } from "./rendered-reply.ts";

const CAN_ASK: ReadonlySet<string> = new Set(["beforeShellExecution", "beforeMCPExecution"]);
const CAN_DECIDE: ReadonlySet<string> = new Set([...CAN_ASK, "preToolUse", "beforeReadFile"]);
const CONTEXT_EVENTS: ReadonlySet<string> = new Set(["sessionStart", "postToolUse"]);
const STOPS: ReadonlySet<string> = new Set(["stop", "subagentStop"]);

function renderDecision(name: string, reply: HookReply, draft: ReplyDraft): Record<string, unknown> {
  if (!CAN_DECIDE.has(name) || reply.decision === "none") return {};
  if (reply.decision === "allow") return { permission: "allow" };
  draft.settle("decision");
  draft.settle("context");
  draft.settle("notice");
  return {
    permission: reply.decision === "ask" && CAN_ASK.has(name) ? "ask" : "deny",
    user_message: boundReason(reply.notice ?? reply.reason),
    agent_message: boundReason(joinTexts(reply)),
  };
}

/** A reply for Cursor: the person is told something only with a decision or before a compaction, and the model not with a prompt. */
export function renderCursorReply(call: HookCall, reply: HookReply): RenderedReply {
  const draft = new ReplyDraft(reply);
  const name = call.nativeEvent;
  const body = renderDecision(name, reply, draft);
  if (CONTEXT_EVENTS.has(name) && reply.context !== null) {
    body["additional_context"] = boundText(reply.context);
    draft.settle("context");
  }
  if (STOPS.has(name) && reply.keepWorking !== null) {
    body["followup_message"] = boundText(reply.keepWorking);
    draft.settle("keepWorking");
  }
  if (name === "preCompact" && reply.notice !== null) {
    body["user_message"] = boundText(reply.notice);
    draft.settle("notice");
  }
  return draft.finish(body);
}
