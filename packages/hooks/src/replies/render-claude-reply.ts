import type { HookCall } from "../events/hook-call.ts";
import { boundReason, boundText } from "./bound-text.ts";
import type { HookReply } from "./hook-reply.ts";
import { ReplyDraft } from "./rendered-reply.ts";
import type { RenderedReply } from "./rendered-reply.ts";

/** How Codex differs: it knows no `ask` and no `allow`, refuses members it does not know, and takes context at fewer events. */
interface Dialect {
  readonly canAsk: boolean;
  readonly canAllow: boolean;
  readonly contextEvents: ReadonlySet<string>;
}

const CLAUDE: Dialect = {
  canAsk: true,
  canAllow: true,
  // `Stop` takes context too, but then goes on with the turn; that is what keepWorking is for.
  contextEvents: new Set([
    "SessionStart",
    "SubagentStart",
    "UserPromptSubmit",
    "PreToolUse",
    "PostToolUse",
    "PostToolUseFailure",
    "PostToolBatch",
  ]),
};

const CODEX: Dialect = {
  canAsk: false,
  canAllow: false,
  contextEvents: new Set(["SessionStart", "SubagentStart", "UserPromptSubmit", "PreToolUse", "PostToolUse"]),
};

const STOPS: ReadonlySet<string> = new Set(["Stop", "SubagentStop"]);

function toPermission(reply: HookReply, dialect: Dialect): string | undefined {
  if (reply.decision === "none" || (reply.decision === "allow" && !dialect.canAllow)) return undefined;
  return reply.decision === "ask" && !dialect.canAsk ? "deny" : reply.decision;
}

/** A reply for Claude Code or Codex. */
export function renderClaudeReply(call: HookCall, reply: HookReply): RenderedReply {
  const dialect = call.dialect === "codex" ? CODEX : CLAUDE;
  const draft = new ReplyDraft(reply);
  const name = call.nativeEvent;
  const specific: Record<string, unknown> = {};
  const body: Record<string, unknown> = {};
  const permission = name === "PreToolUse" ? toPermission(reply, dialect) : undefined;
  if (permission !== undefined) {
    specific["permissionDecision"] = permission;
    specific["permissionDecisionReason"] = boundReason(reply.reason);
    draft.settle("decision");
  }
  if (reply.context !== null && dialect.contextEvents.has(name)) {
    specific["additionalContext"] = boundText(reply.context);
    draft.settle("context");
  }
  if (reply.keepWorking !== null && STOPS.has(name)) {
    body["decision"] = "block";
    body["reason"] = boundText(reply.keepWorking);
    draft.settle("keepWorking");
  }
  // Nobody is there any more to read a message when the session has ended.
  if (reply.notice !== null && name !== "SessionEnd") {
    body["systemMessage"] = boundText(reply.notice);
    draft.settle("notice");
  }
  if (Object.keys(specific).length > 0) body["hookSpecificOutput"] = { hookEventName: name, ...specific };
  return draft.finish(body);
}
