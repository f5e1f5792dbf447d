import * as fc from "fast-check";
import { expect, test } from "vitest";
import { z } from "zod";
import { HOOK_AGENTS } from "../events/hook-call.ts";
import type { HookAgent, HookCall } from "../events/hook-call.ts";
import { MAX_REPLY_CHARS } from "./bound-text.ts";
import { NO_REPLY } from "./hook-reply.ts";
import type { HookReply } from "./hook-reply.ts";
import { renderReply } from "./render-reply.ts";

function call(agent: HookAgent, nativeEvent: string): HookCall {
  return {
    agent,
    dialect: agent,
    nativeEvent,
    nativeSessionId: "s",
    cwd: "/r",
    childId: null,
    childKind: null,
    model: null,
    event: { type: "other", name: nativeEvent },
  };
}

const DENY: HookReply = { ...NO_REPLY, decision: "deny", reason: "held by ada" };
const ASK: HookReply = { ...NO_REPLY, decision: "ask", reason: "held by ada" };
const ALLOW: HookReply = { ...NO_REPLY, decision: "allow", reason: "free" };
const CONTEXT: HookReply = { ...NO_REPLY, context: "news" };
const NOTICE: HookReply = { ...NO_REPLY, notice: "daemon is down" };
const KEEP: HookReply = { ...NO_REPLY, keepWorking: "answer bob" };

const claude = (hookEventName: string, members: object): object => ({
  hookSpecificOutput: { hookEventName, ...members },
});
const permission = (permissionDecision: string, permissionDecisionReason: string): object =>
  claude("PreToolUse", { permissionDecision, permissionDecisionReason });

type Row = readonly [HookAgent, string, HookReply, object, ...string[]];

/** The agent, its event, the reply; then what is printed, and which parts found no place. */
const ROWS: readonly Row[] = [
  ["claude", "PreToolUse", NO_REPLY, {}],
  ["claude", "PreToolUse", DENY, permission("deny", "held by ada")],
  ["claude", "PreToolUse", ASK, permission("ask", "held by ada")],
  ["claude", "PreToolUse", ALLOW, permission("allow", "free")],
  ["claude", "PreToolUse", CONTEXT, claude("PreToolUse", { additionalContext: "news" })],
  ["claude", "SessionStart", CONTEXT, claude("SessionStart", { additionalContext: "news" })],
  ["claude", "UserPromptSubmit", CONTEXT, claude("UserPromptSubmit", { additionalContext: "news" })],
  ["claude", "PostToolUse", CONTEXT, claude("PostToolUse", { additionalContext: "news" })],
  ["claude", "PostToolUseFailure", CONTEXT, claude("PostToolUseFailure", { additionalContext: "news" })],
  ["claude", "PostToolBatch", CONTEXT, claude("PostToolBatch", { additionalContext: "news" })],
  ["claude", "SubagentStart", CONTEXT, claude("SubagentStart", { additionalContext: "news" })],
  ["claude", "Stop", CONTEXT, {}, "context"],
  ["claude", "Stop", KEEP, { decision: "block", reason: "answer bob" }],
  ["claude", "SubagentStop", KEEP, { decision: "block", reason: "answer bob" }],
  ["claude", "PostToolUse", KEEP, {}, "keepWorking"],
  ["claude", "PostToolUse", DENY, {}, "decision"],
  ["claude", "Notification", NOTICE, { systemMessage: "daemon is down" }],
  ["claude", "SessionEnd", NOTICE, {}, "notice"],
  ["claude", "Notification", CONTEXT, {}, "context"],
  ["codex", "PreToolUse", DENY, permission("deny", "held by ada")],
  ["codex", "PreToolUse", ASK, permission("deny", "held by ada")],
  ["codex", "PreToolUse", ALLOW, {}],
  ["codex", "PreToolUse", { ...DENY, reason: " " }, permission("deny", "Canopy says no.")],
  ["codex", "PreToolUse", CONTEXT, claude("PreToolUse", { additionalContext: "news" })],
  ["codex", "PostToolUse", CONTEXT, claude("PostToolUse", { additionalContext: "news" })],
  ["codex", "Stop", KEEP, { decision: "block", reason: "answer bob" }],
  ["codex", "Stop", NOTICE, { systemMessage: "daemon is down" }],
  ["codex", "PostCompact", CONTEXT, {}, "context"],
  ["gemini", "BeforeTool", DENY, { decision: "deny", reason: "held by ada" }],
  ["gemini", "BeforeTool", ASK, { decision: "deny", reason: "held by ada" }],
  ["gemini", "BeforeTool", { ...DENY, context: "news" }, { decision: "deny", reason: "held by ada\n\nnews" }],
  ["gemini", "BeforeTool", CONTEXT, {}, "context"],
  ["gemini", "AfterTool", CONTEXT, claude("AfterTool", { additionalContext: "news" })],
  ["gemini", "BeforeAgent", CONTEXT, claude("BeforeAgent", { additionalContext: "news" })],
  ["gemini", "SessionStart", CONTEXT, claude("SessionStart", { additionalContext: "news" })],
  ["gemini", "AfterAgent", KEEP, { decision: "deny", reason: "answer bob" }],
  ["gemini", "AfterAgent", CONTEXT, {}, "context"],
  ["gemini", "AfterAgent", NOTICE, { systemMessage: "daemon is down" }],
  [
    "cursor",
    "preToolUse",
    DENY,
    { permission: "deny", user_message: "held by ada", agent_message: "held by ada" },
  ],
  [
    "cursor",
    "preToolUse",
    ASK,
    { permission: "deny", user_message: "held by ada", agent_message: "held by ada" },
  ],
  [
    "cursor",
    "beforeShellExecution",
    { ...ASK, context: "news", notice: "look" },
    { permission: "ask", user_message: "look", agent_message: "held by ada\n\nnews" },
  ],
  ["cursor", "preToolUse", ALLOW, { permission: "allow" }],
  ["cursor", "preToolUse", CONTEXT, {}, "context"],
  ["cursor", "postToolUse", CONTEXT, { additional_context: "news" }],
  ["cursor", "sessionStart", CONTEXT, { additional_context: "news" }],
  ["cursor", "beforeSubmitPrompt", CONTEXT, {}, "context"],
  ["cursor", "beforeSubmitPrompt", NOTICE, {}, "notice"],
  ["cursor", "stop", KEEP, { followup_message: "answer bob" }],
  ["cursor", "preCompact", NOTICE, { user_message: "daemon is down" }],
  ["opencode", "tool.execute.before", DENY, { deny: "held by ada" }],
  ["opencode", "tool.execute.before", ASK, { deny: "held by ada" }],
  ["opencode", "tool.execute.before", CONTEXT, {}, "context"],
  ["opencode", "tool.execute.after", CONTEXT, { context: "news" }],
  ["opencode", "chat.message", CONTEXT, { context: "news" }],
  ["opencode", "session.idle", KEEP, { keepWorking: "answer bob" }],
  ["opencode", "session.created", CONTEXT, {}, "context"],
  ["opencode", "session.created", NOTICE, { notice: "daemon is down" }],
];

const NAMED_ROWS = ROWS.map(([agent, event, reply, body, ...undelivered]) => ({
  agent,
  event,
  reply,
  body,
  undelivered,
}));

test.each(NAMED_ROWS)("$agent at $event: $reply", ({ agent, event, reply, body, undelivered }) => {
  const rendered = renderReply(call(agent, event), reply);
  expect(JSON.parse(rendered.body)).toEqual(body);
  expect([rendered.exitCode, ...rendered.undelivered]).toEqual([0, ...undelivered]);
});

test("a hook of Claude's settings that Cursor runs is answered in Claude's form", () => {
  const rendered = renderReply({ ...call("claude", "PreToolUse"), agent: "cursor" }, DENY);
  expect(JSON.parse(rendered.body)).toEqual(permission("deny", "held by ada"));
});

// Codex refuses an answer with a member that it does not know, and then lets the tool run.
const codexAnswer = z.strictObject({
  decision: z.literal("block").optional(),
  reason: z.string().min(1).optional(),
  systemMessage: z.string().optional(),
  hookSpecificOutput: z
    .strictObject({
      hookEventName: z.string(),
      permissionDecision: z.literal("deny").optional(),
      permissionDecisionReason: z.string().min(1).optional(),
      additionalContext: z.string().optional(),
    })
    .refine(
      (output) =>
        (output.permissionDecision === undefined) === (output.permissionDecisionReason === undefined),
    )
    .optional(),
});

const EVENTS: Readonly<Record<HookAgent, readonly string[]>> = {
  claude: ["SessionStart", "PreToolUse", "PostToolUse", "PostToolBatch", "Stop", "SessionEnd", "Other"],
  codex: ["SessionStart", "PreToolUse", "PostToolUse", "UserPromptSubmit", "Stop", "SessionEnd", "Interrupt"],
  gemini: ["SessionStart", "BeforeTool", "AfterTool", "BeforeAgent", "AfterAgent", "SessionEnd"],
  cursor: ["sessionStart", "preToolUse", "postToolUse", "beforeShellExecution", "stop", "preCompact"],
  opencode: ["session.created", "tool.execute.before", "tool.execute.after", "chat.message", "session.idle"],
};

test("every part of every reply is either told or said to be undelivered, and texts are bounded", () => {
  const text = fc.option(fc.oneof(fc.string(), fc.constant("\u{1F332}".repeat(6_000))), { nil: null });
  fc.assert(
    fc.property(
      fc.constantFrom(...HOOK_AGENTS),
      fc.nat(20),
      fc.record({
        decision: fc.constantFrom("none", "allow", "deny", "ask"),
        reason: fc.string(),
        context: text,
        notice: text,
        keepWorking: text,
      }),
      (agent, index, reply) => {
        const events = EVENTS[agent];
        const rendered = renderReply(call(agent, events[index % events.length] ?? ""), reply);
        const body: unknown = JSON.parse(rendered.body);
        const texts: string[] = [];
        JSON.stringify(body, (_, value: unknown) => {
          if (typeof value === "string") texts.push(value);
          return value;
        });
        expect(texts.filter((value) => value.length > MAX_REPLY_CHARS || !value.isWellFormed())).toEqual([]);
        if (agent === "codex") codexAnswer.parse(body);
        for (const part of ["context", "notice", "keepWorking"] as const) {
          const value = reply[part]?.trim() === "" ? null : reply[part];
          const isTold = value !== null && texts.some((told) => told.includes(value.slice(0, 20)));
          if (value !== null)
            expect([part, isTold || rendered.undelivered.includes(part)]).toEqual([part, true]);
          else expect(rendered.undelivered).not.toContain(part);
        }
      },
    ),
    { numRuns: 2_000 },
  );
});
