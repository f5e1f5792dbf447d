import { setTimeout as delay } from "node:timers/promises";
import { RpcError } from "./agent-connection.ts";
import { FILE_PLAYERS } from "./file-steps.ts";
import type { ScriptStep, StepType, StepValue } from "./script-schema.ts";
import { playCommit, playShell, playSpawnOrphan } from "./shell-steps.ts";
import { splitText } from "./split-text.ts";
import { sendUpdate } from "./stage.ts";
import type { Player, Stage, StopSignal } from "./stage.ts";

const DEFAULT_CHUNKS = 6;

async function pause(stage: Stage, ms: number): Promise<void> {
  if (ms > 0) await delay(ms, undefined, { signal: stage.signal });
}

type TextPlayer = (stage: Stage, value: StepValue<"say">) => Promise<StopSignal | null>;

function playText(kind: "agent_message_chunk" | "agent_thought_chunk"): TextPlayer {
  return async (stage, { text, chunkCount, chunkMs }) => {
    const messageId = `text-${stage.nextToolId()}`;
    for (const chunk of splitText(text, chunkCount ?? DEFAULT_CHUNKS)) {
      stage.signal.throwIfAborted();
      await sendUpdate(stage, { sessionUpdate: kind, messageId, content: { type: "text", text: chunk } });
      await pause(stage, chunkMs ?? stage.chunkMs);
    }
    return null;
  };
}

const playTool: Player<"tool"> = async (stage, { kind, title, input, output, isFailed }) => {
  const toolCallId = stage.nextToolId();
  await sendUpdate(stage, {
    sessionUpdate: "tool_call",
    toolCallId,
    kind,
    title,
    status: "in_progress",
    rawInput: input,
  });
  await pause(stage, stage.chunkMs);
  await sendUpdate(stage, {
    sessionUpdate: "tool_call_update",
    toolCallId,
    status: isFailed ? "failed" : "completed",
    content: [{ type: "content", content: { type: "text", text: output } }],
  });
  return null;
};

const PERMISSION_OPTIONS = [
  { optionId: "allow", name: "Allow", kind: "allow_once" },
  { optionId: "always", name: "Always allow", kind: "allow_always" },
  { optionId: "reject", name: "Reject", kind: "reject_once" },
];

function wasAllowed(answer: unknown): boolean {
  const text = JSON.stringify(answer ?? null);
  return text.includes('"optionId":"allow"') || text.includes('"optionId":"always"');
}

const playPermission: Player<"permission"> = async (stage, value) => {
  const toolCallId = stage.nextToolId();
  const toolCall = {
    toolCallId,
    kind: value.kind,
    title: value.title,
    status: "pending",
    rawInput: value.input,
  };
  await sendUpdate(stage, { sessionUpdate: "tool_call", ...toolCall });
  const { sessionId } = stage;
  const asked = stage.connection.request("session/request_permission", {
    sessionId,
    toolCall,
    options: PERMISSION_OPTIONS,
  });
  const isAllowed = wasAllowed(await asked);
  stage.signal.throwIfAborted();
  const status = isAllowed ? "completed" : "failed";
  await sendUpdate(stage, { sessionUpdate: "tool_call_update", toolCallId, status });
  const answer = isAllowed ? "allow" : "deny";
  if (value.expect !== undefined && value.expect !== answer) {
    throw new RpcError(-32_603, `the script expected ${value.expect} for "${value.title}" and got ${answer}`);
  }
  return playSteps(stage, isAllowed ? value.onAllow : value.onDeny);
};

const playPlan: Player<"plan"> = async (stage, entries) => {
  const mapped = entries.map(({ text, state, priority }) => ({ content: text, status: state, priority }));
  await sendUpdate(stage, { sessionUpdate: "plan", entries: mapped });
  return null;
};

const playUsage: Player<"usage"> = async (stage, value) => {
  const { usage, cost } = stage;
  usage.inputTokens += value.inputTokens;
  usage.outputTokens += value.outputTokens;
  usage.cachedReadTokens += value.cacheReadTokens;
  usage.cachedWriteTokens += value.cacheWriteTokens;
  if (value.costUsd !== undefined) cost.usd = (cost.usd ?? 0) + value.costUsd;
  const money = cost.usd === null ? {} : { cost: { amount: cost.usd, currency: "USD" } };
  await sendUpdate(stage, {
    sessionUpdate: "usage_update",
    used: usage.inputTokens,
    size: 200_000,
    ...money,
  });
  return null;
};

const playCrash: Player<"crash"> = async (_stage, { exitCode, signal }) => {
  if (signal === undefined) process.exit(exitCode ?? 1);
  process.kill(process.pid, signal);
  return new Promise(() => setInterval(() => null, 1000));
};

const playHang: Player<"hang"> = async (stage, { ignoresCancel, ignoresSignals }) => {
  if (ignoresSignals) for (const name of ["SIGTERM", "SIGINT"]) process.on(name, () => null);
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setInterval(() => null, 1000);
  if (!ignoresCancel)
    stage.signal.addEventListener("abort", () => reject(stage.signal.reason), { once: true });
  return promise.finally(() => clearInterval(timer));
};

const playFlood: Player<"flood"> = async (stage, { lines, bytesPerLine, stream }) => {
  const text = `${"x".repeat(bytesPerLine - 1)}\n`;
  for (let count = 0; count < lines; count += 1) {
    if (stage.signal.aborted) throw stage.signal.reason;
    if (stream === "stderr") process.stderr.write(text);
    else if (stream === "garbage") await stage.connection.writeRaw(text);
    else await sendUpdate(stage, { sessionUpdate: `agent_${stream}_chunk`, content: { type: "text", text } });
    // Lets a cancel in now and then.
    if (count % 256 === 0) await delay(0);
  }
  return null;
};

const ERROR_SHAPES: Readonly<
  Record<StepValue<"error">["kind"], { code: number; data: Record<string, unknown> }>
> = {
  "rate-limit": { code: -32_603, data: { errorKind: "rate_limit", status: 429 } },
  overload: { code: -32_603, data: { errorKind: "overloaded", status: 529 } },
  authentication: { code: -32_603, data: { errorKind: "authentication_failed", status: 401 } },
  "bad-request": { code: -32_603, data: { errorKind: "invalid_request", status: 400 } },
  "context-full": { code: -32_603, data: { errorKind: "context_length_exceeded", status: 400 } },
  refusal: { code: -32_603, data: { errorKind: "refusal" } },
  timeout: { code: -32_603, data: { errorKind: "timeout" } },
  protocol: { code: -32_602, data: {} },
  unknown: { code: -32_603, data: { errorKind: "unknown" } },
};

const playError: Player<"error"> = async (stage, { kind, message, retryAfterMs, style }) => {
  const shape = ERROR_SHAPES[kind];
  const status = shape.data["status"];
  const words =
    message ?? (typeof status === "number" ? `API Error: ${status} scripted ${kind}` : `scripted ${kind}`);
  if (style === "rpc" && kind === "refusal") return { stopReason: "refusal" };
  if (style === "rpc") {
    throw new RpcError(shape.code, words, {
      ...shape.data,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    });
  }
  const wait = retryAfterMs === undefined ? "" : `, try again in ${retryAfterMs / 1000}s`;
  const content = { type: "text", text: words + wait };
  await sendUpdate(stage, { sessionUpdate: "agent_message_chunk", content });
  const meta = { codex: { threadStatus: { type: "systemError" } } };
  await sendUpdate(stage, { sessionUpdate: "session_info_update", _meta: meta });
  return { stopReason: "end_turn" };
};

const PLAYERS: { readonly [K in StepType]: Player<K> } = {
  ...FILE_PLAYERS,
  say: playText("agent_message_chunk"),
  think: playText("agent_thought_chunk"),
  tool: playTool,
  shell: playShell,
  commit: playCommit,
  permission: playPermission,
  plan: playPlan,
  usage: playUsage,
  delayMs: async (stage, ms) => {
    await pause(stage, ms);
    return null;
  },
  crash: playCrash,
  hang: playHang,
  flood: playFlood,
  stderr: async (_stage, text) => {
    process.stderr.write(`${text}\n`);
    return Promise.resolve(null);
  },
  garbage: async (stage, text) => {
    await stage.connection.writeRaw(`${text}\n`);
    return null;
  },
  error: playError,
  spawnOrphan: playSpawnOrphan,
  exit: async (_stage, { exitCode }) => {
    process.exitCode = exitCode;
    // The answer to the prompt goes out first.
    setTimeout(() => process.exit(), 50);
    return Promise.resolve({ stopReason: "end_turn" });
  },
};

function playStep<K extends StepType>(
  stage: Stage,
  type: K,
  value: StepValue<K>,
): Promise<StopSignal | null> {
  return PLAYERS[type](stage, value);
}

/** Plays steps in order until one ends the turn. Throws the signal's reason when the turn is cancelled. */
export async function playSteps(stage: Stage, steps: readonly ScriptStep[]): Promise<StopSignal | null> {
  for (const step of steps) {
    stage.signal.throwIfAborted();
    const stop = await playStep(stage, step.type, step.value);
    if (stop !== null) return stop;
  }
  return null;
}
