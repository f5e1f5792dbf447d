import type { Usage } from "@canopy/protocol";
import type { AgentCapabilities } from "../agent-driver.ts";
import type { PromptInput } from "../prompt-queue.ts";
import { classifyFailure } from "../classify-error.ts";
import type { AgentLink, ProcessParts, TurnOutcome } from "../session/process-session.ts";
import { createTurnError } from "../turn-error.ts";
import type { OpenedAcpSession } from "./acp-handshake.ts";
import { promptResultSchema } from "./acp-schema.ts";
import type { PromptResult } from "./acp-schema.ts";
import { readRpcError } from "../session/read-rpc-error.ts";
import type { RpcFailure } from "../session/read-rpc-error.ts";

/** An initialised ACP connection to an agent's process. */
export interface AcpConnectionParts extends ProcessParts {
  readonly request: (method: string, params: unknown) => Promise<unknown>;
  readonly notify: (method: string, params: unknown) => Promise<void>;
}

function addTokens(usage: Usage, result: PromptResult): Usage {
  const direct = result.usage;
  const quota = result._meta?.quota?.token_count;
  return {
    inputTokens: usage.inputTokens + (direct?.inputTokens ?? quota?.input_tokens ?? 0),
    outputTokens: usage.outputTokens + (direct?.outputTokens ?? quota?.output_tokens ?? 0),
    cacheReadTokens: usage.cacheReadTokens + (direct?.cachedReadTokens ?? 0),
    cacheWriteTokens: usage.cacheWriteTokens + (direct?.cachedWriteTokens ?? 0),
    costUsd: usage.costUsd,
  };
}

/** Gemini ends so when its model was stopped for safety before it had said anything. */
const SILENT_END = "ended its turn without a word: its model may have refused";

/** How a session speaks ACP. */
export class AcpLink implements AgentLink {
  readonly #parts: AcpConnectionParts;
  readonly #opened: OpenedAcpSession;
  #preamble: string | null;
  #hasSystemError = false;

  constructor(parts: AcpConnectionParts, opened: OpenedAcpSession) {
    this.#parts = parts;
    this.#opened = opened;
    this.#preamble = opened.preamble;
  }

  get nativeSessionId(): string {
    return this.#opened.sessionId;
  }

  get capabilities(): AgentCapabilities {
    return this.#opened.capabilities;
  }

  /** Called by the wire when codex-acp says that the running turn broke inside the agent. */
  noteSystemError(): void {
    this.#hasSystemError = true;
  }

  /** See AgentLink. */
  interrupt(): Promise<void> {
    return this.#parts.notify("session/cancel", { sessionId: this.nativeSessionId });
  }

  /** See AgentLink. */
  async converse(
    { text, images }: PromptInput,
    turn: { readonly isCancelled: boolean },
  ): Promise<TurnOutcome> {
    const preamble = this.#preamble ?? "";
    this.#preamble = null;
    this.#hasSystemError = false;
    try {
      const raw = await this.#parts.request("session/prompt", {
        sessionId: this.nativeSessionId,
        prompt: [
          ...images.map(({ mediaType, base64 }) => ({ type: "image", mimeType: mediaType, data: base64 })),
          { type: "text", text: preamble + text },
        ],
      });
      return this.#judgeResult(raw, turn.isCancelled);
    } catch (error) {
      const failure = readRpcError(error);
      if (failure === null || turn.isCancelled) throw error;
      return this.#judgeFailure(failure);
    }
  }

  #judgeResult(raw: unknown, isCancelled: boolean): TurnOutcome {
    const { label, writer } = this.#parts;
    const parsed = promptResultSchema.safeParse(raw);
    if (!parsed.success) {
      if (isCancelled) return { reason: "cancelled", error: null };
      const message = `${label} answered session/prompt with something unreadable`;
      return { reason: "failed", error: createTurnError("protocol", message) };
    }
    writer.setUsage(addTokens(writer.usage, parsed.data));
    const reason = parsed.data.stopReason;
    if (reason === "cancelled" || isCancelled) return { reason: "cancelled", error: null };
    if (this.#hasSystemError) {
      const { kind, retryAfterMs } = classifyFailure({ code: null, message: writer.lastMessage, data: null });
      return { reason: "failed", error: createTurnError(kind, writer.lastMessage, { retryAfterMs }) };
    }
    if (reason === "refusal")
      return { reason, error: createTurnError("refusal", `${label} refused the prompt`) };
    if (writer.isSilent && reason === "end_turn")
      writer.emit({ type: "notice", level: "warn", text: `${label} ${SILENT_END}` });
    return { reason, error: null };
  }

  #judgeFailure(failure: RpcFailure): TurnOutcome {
    const { kind, retryAfterMs } = classifyFailure(failure);
    if (kind === "cancelled") return { reason: "cancelled", error: null };
    return { reason: "failed", error: createTurnError(kind, failure.message, { retryAfterMs }) };
  }
}
