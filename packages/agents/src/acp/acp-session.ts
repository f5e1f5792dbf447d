import type { AgentEvent, ChildProcessHandle, TurnEndReason, Usage } from "@canopy/protocol";
import type { AgentCapabilities, AgentSession, TurnError, TurnResult } from "../agent-driver.ts";
import type { TextTail } from "../byte-lines.ts";
import { classifyFailure } from "../classify-error.ts";
import type { EventQueue } from "../event-queue.ts";
import type { EventWriter } from "../event-writer.ts";
import { PromptQueue } from "../prompt-queue.ts";
import { createTurnError, describeExit, withTail } from "../turn-error.ts";
import { withinMs } from "../within-ms.ts";
import type { OpenedAcpSession } from "./acp-handshake.ts";
import { promptResultSchema } from "./acp-schema.ts";
import type { PromptResult } from "./acp-schema.ts";
import { readRpcError } from "./read-rpc-error.ts";
import type { RpcFailure } from "./read-rpc-error.ts";
import type { PermissionBroker } from "./permission-broker.ts";

/** How long the last words of a dead process may take to be read. */
const LAST_WORDS_MS = 500;
const IDLE_CHECK_MS = 250;
const IDLE_LIMIT = 4;

/** How long an agent may take to react before it is stopped, all in milliseconds. */
export interface AcpGraces {
  readonly cancelMs: number;
  readonly endInputMs: number;
  readonly stopMs: number;
}

/** An initialised connection to an agent's process, as the driver hands it over. */
export interface AcpConnectionParts {
  readonly label: string;
  readonly child: ChildProcessHandle;
  readonly request: (method: string, params: unknown) => Promise<unknown>;
  readonly notify: (method: string, params: unknown) => Promise<void>;
  readonly disconnect: () => void;
  readonly queue: EventQueue;
  readonly writer: EventWriter;
  readonly permissions: PermissionBroker;
  readonly stderr: TextTail;
  /** Resolves when all of standard error was read. */
  readonly stderrEnded: Promise<void>;
  readonly graces: AcpGraces;
}

interface RunningTurn {
  isCancelled: boolean;
  hasSystemError: boolean;
  readonly ended: Promise<void>;
  readonly markEnded: () => void;
}

interface TurnOutcome {
  readonly reason: TurnEndReason;
  readonly error: TurnError | null;
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

/** One ACP session over one process. */
export class AcpSession implements AgentSession {
  readonly #parts: AcpConnectionParts;
  readonly #opened: OpenedAcpSession;
  readonly #prompts: PromptQueue;
  #preamble: string | null;
  #turn: RunningTurn | null = null;
  #isOver = false;
  #closing: Promise<void> | null = null;

  constructor(parts: AcpConnectionParts, opened: OpenedAcpSession) {
    this.#parts = parts;
    this.#opened = opened;
    this.#preamble = opened.preamble;
    this.#prompts = new PromptQueue(
      (text) => this.#runTurn(text),
      () => this.#result({ reason: "cancelled", error: null }),
    );
    void parts.child.exited.then(() => this.#afterExit());
  }

  get nativeSessionId(): string {
    return this.#opened.sessionId;
  }

  get capabilities(): AgentCapabilities {
    return this.#opened.capabilities;
  }

  get events(): AsyncIterable<AgentEvent> {
    return this.#parts.queue;
  }

  /** See AgentSession. */
  prompt(text: string): Promise<TurnResult> {
    return this.#prompts.add(text);
  }

  /** See AgentSession. */
  answerPermission(requestId: string, optionId: string | null, by = "person"): Promise<void> {
    this.#parts.permissions.answer(requestId, optionId, by);
    return Promise.resolve();
  }

  /** See AgentSession. */
  async cancel(): Promise<void> {
    this.#prompts.cancelWaiting();
    const turn = this.#turn;
    if (turn === null) return;
    const { permissions, notify, graces } = this.#parts;
    turn.isCancelled = true;
    permissions.cancelAll("cancel");
    await this.#quietly(notify("session/cancel", { sessionId: this.nativeSessionId }));
    const isEnded = await withinMs(
      turn.ended.then(() => true),
      graces.cancelMs,
    );
    if (isEnded === null) await this.#breakTurn(turn);
  }

  /** See AgentSession. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Called by the wire when codex-acp says that the running turn broke inside the agent. */
  noteSystemError(): void {
    if (this.#turn !== null) this.#turn.hasSystemError = true;
  }

  async #close(): Promise<void> {
    const { queue, permissions, notify, child, graces, disconnect } = this.#parts;
    queue.unbound();
    this.#prompts.cancelWaiting();
    const turn = this.#turn;
    if (turn !== null) {
      turn.isCancelled = true;
      permissions.cancelAll("close");
      await this.#quietly(notify("session/cancel", { sessionId: this.nativeSessionId }));
      await withinMs(turn.ended, graces.endInputMs);
    }
    child.endInput();
    await withinMs(child.exited, graces.endInputMs);
    await child.stop(graces.stopMs);
    if (turn !== null) await this.#awaitLastWords(turn);
    disconnect();
    this.#finish();
  }

  async #runTurn(text: string): Promise<TurnResult> {
    const { writer, permissions } = this.#parts;
    if (this.#closing !== null) return this.#result({ reason: "cancelled", error: null });
    if (this.#isOver) return this.#result({ reason: "lost", error: await this.#crashError() });
    const { promise: ended, resolve: markEnded } = Promise.withResolvers<void>();
    const turn: RunningTurn = { isCancelled: false, hasSystemError: false, ended, markEnded };
    this.#turn = turn;
    writer.beginTurn();
    const outcome = await this.#converse(text, turn);
    permissions.cancelAll("turn-end");
    writer.endTurn(outcome.reason, outcome.error);
    this.#turn = null;
    const result = this.#result(outcome);
    turn.markEnded();
    return result;
  }

  async #converse(text: string, turn: RunningTurn): Promise<TurnOutcome> {
    const preamble = this.#preamble ?? "";
    this.#preamble = null;
    try {
      const raw = await this.#parts.request("session/prompt", {
        sessionId: this.nativeSessionId,
        prompt: [{ type: "text", text: preamble + text }],
      });
      return this.#judgeResult(raw, turn);
    } catch (error) {
      if (turn.isCancelled) return { reason: "cancelled", error: null };
      const failure = readRpcError(error);
      if (failure !== null) return this.#judgeFailure(failure);
      return { reason: "lost", error: await this.#crashError() };
    }
  }

  #judgeResult(raw: unknown, turn: RunningTurn): TurnOutcome {
    const { label, writer } = this.#parts;
    const parsed = promptResultSchema.safeParse(raw);
    if (!parsed.success) {
      if (turn.isCancelled) return { reason: "cancelled", error: null };
      const message = `${label} answered session/prompt with something unreadable`;
      return { reason: "failed", error: createTurnError("protocol", message) };
    }
    writer.setUsage(addTokens(writer.usage, parsed.data));
    const reason = parsed.data.stopReason;
    if (reason === "cancelled" || turn.isCancelled) return { reason: "cancelled", error: null };
    if (turn.hasSystemError) {
      const { kind, retryAfterMs } = classifyFailure({ code: null, message: writer.lastMessage, data: null });
      return { reason: "failed", error: createTurnError(kind, writer.lastMessage, { retryAfterMs }) };
    }
    if (reason === "refusal")
      return { reason, error: createTurnError("refusal", `${label} refused the prompt`) };
    return { reason, error: null };
  }

  #judgeFailure(failure: RpcFailure): TurnOutcome {
    const { kind, retryAfterMs } = classifyFailure(failure);
    if (kind === "cancelled") return { reason: "cancelled", error: null };
    return { reason: "failed", error: createTurnError(kind, failure.message, { retryAfterMs }) };
  }

  /** The connection broke: says how the process ended, and ends it when it only closed its output. */
  async #crashError(): Promise<TurnError> {
    const { child, label, stderr, stderrEnded, graces } = this.#parts;
    this.#isOver = true;
    const exit = await child.stop(graces.stopMs);
    await withinMs(stderrEnded, LAST_WORDS_MS);
    const sentence = `${label} ended in the middle of its work (${describeExit(exit)})`;
    return createTurnError("crash", withTail(sentence, stderr.text));
  }

  async #afterExit(): Promise<void> {
    this.#isOver = true;
    if (this.#closing !== null) return;
    const { writer, label, child, graces, stderr, stderrEnded } = this.#parts;
    const turn = this.#turn;
    const exit = await child.stop(graces.stopMs);
    await withinMs(stderrEnded, LAST_WORDS_MS);
    if (turn !== null) await this.#awaitLastWords(turn);
    if (this.#closing !== null) return;
    if (turn === null) {
      const message = withTail(`${label} ended by itself (${describeExit(exit)})`, stderr.text);
      writer.emit({ type: "error", kind: "crash", message });
    }
    this.#finish();
  }

  /** Stops an agent that does not react; its turn ends with it. */
  async #breakTurn(turn: RunningTurn): Promise<void> {
    const { child, graces, queue } = this.#parts;
    queue.unbound();
    await child.stop(graces.stopMs);
    await this.#awaitLastWords(turn);
  }

  /** The process is gone: waits while its output is still being read, and cuts the connection when nothing moves. */
  async #awaitLastWords(turn: RunningTurn): Promise<void> {
    const { queue, disconnect } = this.#parts;
    const ended = turn.ended.then(() => true);
    for (let idleCount = 0; idleCount < IDLE_LIMIT; idleCount = queue.hasRoom() ? idleCount + 1 : 0) {
      if ((await withinMs(ended, IDLE_CHECK_MS)) !== null) return;
    }
    disconnect();
    await turn.ended;
  }

  #finish(): void {
    this.#isOver = true;
    this.#parts.writer.closeText();
    this.#parts.queue.end();
  }

  #result(outcome: TurnOutcome): TurnResult {
    const { writer } = this.#parts;
    return { ...outcome, usage: writer.usage, lastMessage: writer.lastMessage };
  }

  /** For words to an agent that may be gone already. */
  async #quietly(sent: Promise<void>): Promise<void> {
    try {
      await withinMs(sent, this.#parts.graces.cancelMs);
    } catch {
      // The connection is closed; whoever waits for the turn learns it from there.
    }
  }
}
