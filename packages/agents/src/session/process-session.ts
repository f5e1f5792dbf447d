import type { AgentEvent, ChildProcessHandle, Json, TurnEndReason } from "@canopy/protocol";
import type { AgentCapabilities, AgentSession, PromptImage, TurnError, TurnResult } from "../agent-driver.ts";
import type { TextTail } from "../byte-lines.ts";
import type { EventQueue } from "../event-queue.ts";
import type { EventWriter } from "../event-writer.ts";
import { PromptQueue } from "../prompt-queue.ts";
import type { PromptInput } from "../prompt-queue.ts";
import { createTurnError, describeExit, withTail } from "../turn-error.ts";
import { withinMs } from "../within-ms.ts";
import type { PermissionBroker } from "./permission-broker.ts";

/** How long the last words of a dead process may take to be read. */
const LAST_WORDS_MS = 500;
/** Some agents do not end with their input while a tool server of theirs lives; a signal they hear. */
const LEAVE_MS = 300;
const IDLE_CHECK_MS = 250;
const IDLE_LIMIT = 4;

/** How long an agent may take to react before it is stopped, all in milliseconds. */
export interface SessionGraces {
  readonly cancelMs: number;
  readonly endInputMs: number;
  readonly stopMs: number;
}

/** An agent's process and what is around it, as the driver hands it over. */
export interface ProcessParts {
  readonly label: string;
  readonly child: ChildProcessHandle;
  readonly disconnect: () => void;
  readonly queue: EventQueue;
  readonly writer: EventWriter;
  readonly permissions: PermissionBroker;
  readonly stderr: TextTail;
  /** Resolves when all of standard error was read. */
  readonly stderrEnded: Promise<void>;
  readonly graces: SessionGraces;
}

interface RunningTurn {
  isCancelled: boolean;
  readonly ended: Promise<void>;
  readonly markEnded: () => void;
}

/** How a turn ended, without its totals. */
export interface TurnOutcome {
  readonly reason: TurnEndReason;
  readonly error: TurnError | null;
}

/** What one protocol does for a session: everything else is the same for all agents that are one process. */
export interface AgentLink {
  readonly nativeSessionId: string;
  readonly capabilities: AgentCapabilities;
  /** Sends a prompt and resolves when its turn is over. Rejects when the connection breaks. */
  readonly converse: (input: PromptInput, turn: { readonly isCancelled: boolean }) => Promise<TurnOutcome>;
  /** Asks the agent to end its turn; may reject when it is gone. */
  readonly interrupt: () => Promise<void>;
}

/** One session of an agent that is one process: prompts one by one, cancel, crash, and an end that leaves nothing. */
export class ProcessSession implements AgentSession {
  readonly #parts: ProcessParts;
  readonly #link: AgentLink;
  readonly #prompts: PromptQueue;
  #turn: RunningTurn | null = null;
  #isOver = false;
  #closing: Promise<void> | null = null;

  constructor(parts: ProcessParts, link: AgentLink) {
    this.#parts = parts;
    this.#link = link;
    this.#prompts = new PromptQueue(
      (input) => this.#runTurn(input),
      () => this.#result({ reason: "cancelled", error: null }),
    );
    void parts.child.exited.then(() => this.#afterExit());
  }

  get nativeSessionId(): string {
    return this.#link.nativeSessionId;
  }

  get capabilities(): AgentCapabilities {
    return this.#link.capabilities;
  }

  get events(): AsyncIterable<AgentEvent> {
    return this.#parts.queue;
  }

  /** See AgentSession. */
  prompt(text: string, images: readonly PromptImage[] = []): Promise<TurnResult> {
    return this.#prompts.add(text, this.capabilities.images === true ? images : []);
  }

  /** See AgentSession. */
  answerPermission(requestId: string, optionId: string | null, by = "person"): Promise<void> {
    this.#parts.permissions.answer(requestId, optionId, by);
    return Promise.resolve();
  }

  /** See AgentSession. */
  answerQuestion(requestId: string, answer: Json, by = "person"): Promise<void> {
    this.#parts.permissions.answerQuestion(requestId, answer, by);
    return Promise.resolve();
  }

  /** See AgentSession. */
  async cancel(): Promise<void> {
    this.#prompts.cancelWaiting();
    const turn = this.#turn;
    if (turn === null) return;
    const { permissions, graces } = this.#parts;
    turn.isCancelled = true;
    permissions.cancelAll("cancel");
    await this.#quietly(this.#link.interrupt());
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

  async #close(): Promise<void> {
    const { queue, permissions, child, graces, disconnect } = this.#parts;
    queue.unbound();
    this.#prompts.cancelWaiting();
    const turn = this.#turn;
    if (turn !== null) {
      turn.isCancelled = true;
      permissions.cancelAll("close");
      await this.#quietly(this.#link.interrupt());
      await withinMs(turn.ended, graces.endInputMs);
    }
    child.endInput();
    await withinMs(child.exited, Math.min(LEAVE_MS, graces.endInputMs));
    await child.stop(graces.stopMs);
    if (turn !== null) await this.#awaitLastWords(turn);
    disconnect();
    this.#finish();
  }

  async #runTurn(input: PromptInput): Promise<TurnResult> {
    const { writer, permissions } = this.#parts;
    if (this.#closing !== null) return this.#result({ reason: "cancelled", error: null });
    if (this.#isOver) return this.#result({ reason: "lost", error: await this.#crashError() });
    const { promise: ended, resolve: markEnded } = Promise.withResolvers<void>();
    const turn: RunningTurn = { isCancelled: false, ended, markEnded };
    this.#turn = turn;
    writer.beginTurn();
    const outcome = await this.#converse(input, turn);
    permissions.cancelAll("turn-end");
    writer.endTurn(outcome.reason, outcome.error);
    this.#turn = null;
    const result = this.#result(outcome);
    turn.markEnded();
    return result;
  }

  async #converse(input: PromptInput, turn: RunningTurn): Promise<TurnOutcome> {
    try {
      return await this.#link.converse(input, turn);
    } catch {
      if (turn.isCancelled) return { reason: "cancelled", error: null };
      return { reason: "lost", error: await this.#crashError() };
    }
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
