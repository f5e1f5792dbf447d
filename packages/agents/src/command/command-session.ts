import { TextDecoder } from "node:util";
import type { AgentEvent, ChildProcessHandle, ProcessExit } from "@canopy/protocol";
import { CanopyError, isCanopyError } from "@canopy/protocol";
import type {
  AgentCapabilities,
  AgentSession,
  AgentStartSpec,
  TurnError,
  TurnResult,
} from "../agent-driver.ts";
import { ByteLines, TextTail } from "../byte-lines.ts";
import { createPreamble } from "../create-preamble.ts";
import { EventQueue } from "../event-queue.ts";
import { EventWriter } from "../event-writer.ts";
import { PromptQueue } from "../prompt-queue.ts";
import { readJsonLines } from "../session/json-lines.ts";
import { createTaskEnvironment, fitVariable } from "../task-environment.ts";
import { createTurnError, describeExit, withTail } from "../turn-error.ts";
import { withinMs } from "../within-ms.ts";
import { createStreamParser } from "./stream-parser.ts";
import type { OutputFormat, StreamParser } from "./stream-parser.ts";

/** Longer output lines are handed on in pieces. */
const MAX_LINE_BYTES = 64 * 1024;
const TAIL_CHARS = 4_000;
const IDLE_CHECK_MS = 250;
/** `sysexits.h`: a temporary failure; here the way of a command to say that it is rate limited. */
const EX_TEMPFAIL = 75;

/** What a shell command can: everything around it is Canopy's. */
export const COMMAND_CAPABILITIES: AgentCapabilities = {
  steer: "emulated",
  queue: "emulated",
  resume: false,
  fork: false,
  images: "emulated",
  systemAppend: "emulated",
  mcpHttp: false,
  modelList: false,
  cost: false,
  diff: "emulated",
  refusal: false,
};

/** How to run the command. */
export interface CommandSessionOptions {
  readonly label: string;
  readonly command: string;
  readonly stopMs: number;
  /** What its standard output is. */
  readonly output: OutputFormat;
}

interface RunningCommand {
  isCancelled: boolean;
  child: ChildProcessHandle | null;
  readonly ended: Promise<void>;
  readonly markEnded: () => void;
}

type TurnOutcome = Pick<TurnResult, "reason" | "error">;

function judgeExit(exit: ProcessExit, label: string, tail: string): TurnOutcome {
  if (exit.code === 0) return { reason: "end_turn", error: null };
  const sentence = `${label} ended with ${describeExit(exit)}`;
  if (exit.code === EX_TEMPFAIL) {
    return { reason: "failed", error: createTurnError("rate-limit", withTail(sentence, tail)) };
  }
  if (exit.code === 126 || exit.code === 127) {
    const error = createTurnError("bad-request", withTail(`${label}: command not found`, tail), {
      code: "agent.not-found",
      hint: "Correct the command, or install what it calls.",
      canRetry: false,
    });
    return { reason: "failed", error };
  }
  const reason = exit.signal === null ? "failed" : "lost";
  return { reason, error: createTurnError("crash", withTail(sentence, tail)) };
}

function spawnError(error: unknown): TurnError {
  if (!isCanopyError(error))
    return createTurnError("unknown", `the command could not be started: ${String(error)}`);
  const isMissing = error.code === "agent.not-found";
  return createTurnError(isMissing ? "bad-request" : "unknown", error.message, {
    code: error.code,
    hint: error.hint ?? null,
    canRetry: error.retry,
  });
}

/** A session of a shell command: each prompt is one run of it. */
export class CommandSession implements AgentSession {
  readonly nativeSessionId = null;
  readonly capabilities = COMMAND_CAPABILITIES;
  readonly #options: CommandSessionOptions;
  readonly #spec: AgentStartSpec;
  readonly #queue = new EventQueue();
  readonly #writer = new EventWriter(this.#queue);
  readonly #prompts: PromptQueue;
  #running: RunningCommand | null = null;
  #closing: Promise<void> | null = null;

  constructor(options: CommandSessionOptions, spec: AgentStartSpec) {
    this.#options = options;
    this.#spec = spec;
    this.#prompts = new PromptQueue(
      ({ text }) => this.#runTurn(text),
      () => this.#result({ reason: "cancelled", error: null }),
    );
    this.#writer.emit({ type: "session.started", nativeSessionId: null });
  }

  get events(): AsyncIterable<AgentEvent> {
    return this.#queue;
  }

  /** See AgentSession. */
  prompt(text: string): Promise<TurnResult> {
    return this.#prompts.add(text);
  }

  /** Always throws: a command asks nothing. */
  answerPermission(requestId: string): Promise<void> {
    throw new CanopyError(
      "thing.not-found",
      `permission request ${requestId} is not open: commands ask for none`,
    );
  }

  /** Always throws: a command asks nothing. */
  answerQuestion(requestId: string): Promise<void> {
    throw new CanopyError("thing.not-found", `question ${requestId} is not open: commands ask none`);
  }

  /** See AgentSession. */
  async cancel(): Promise<void> {
    this.#prompts.cancelWaiting();
    const running = this.#running;
    if (running === null) return;
    running.isCancelled = true;
    await running.child?.stop(this.#options.stopMs);
    await running.ended;
  }

  /** See AgentSession. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#queue.unbound();
    await this.cancel();
    this.#queue.end();
  }

  async #runTurn(text: string): Promise<TurnResult> {
    if (this.#closing !== null) return this.#result({ reason: "cancelled", error: null });
    const { promise: ended, resolve: markEnded } = Promise.withResolvers<void>();
    const running: RunningCommand = { isCancelled: false, child: null, ended, markEnded };
    this.#running = running;
    this.#writer.beginTurn();
    const outcome = await this.#runCommand(text, running);
    this.#writer.endTurn(outcome.reason, outcome.error);
    this.#running = null;
    const result = this.#result(outcome);
    markEnded();
    return result;
  }

  async #runCommand(text: string, running: RunningCommand): Promise<TurnOutcome> {
    const spec = this.#spec;
    const tail = new TextTail(TAIL_CHARS);
    const { command, label, stopMs } = this.#options;
    let child: ChildProcessHandle;
    try {
      const env = { ...spec.env, ...this.#ownVariables() };
      child = await spec.spawn(["sh", "-c", command], { cwd: spec.cwd, env });
    } catch (error) {
      return { reason: "failed", error: spawnError(error) };
    }
    running.child = child;
    if (running.isCancelled) void child.stop(stopMs);
    const preamble = spec.systemAppend === null ? "" : createPreamble(spec.systemAppend);
    void this.#writeInput(child, preamble + text);
    const parser = createStreamParser(this.#options.output, this.#writer);
    const printed = parser === null ? this.#readOutput(child, tail) : this.#readStream(child, parser);
    const reading = Promise.allSettled([printed, this.#readErrors(child, tail)]);
    const output = reading.then((): true => true);
    const exit = await child.exited;
    await this.#reap(child, output);
    if (running.isCancelled) return { reason: "cancelled", error: null };
    if (parser !== null && parser.failure !== null) return { reason: "failed", error: parser.failure };
    return judgeExit(exit, label, tail.text);
  }

  async #writeInput(child: ChildProcessHandle, text: string): Promise<void> {
    try {
      await child.write(text);
    } finally {
      child.endInput();
    }
  }

  #ownVariables(): Record<string, string> {
    const { task, model } = this.#spec;
    return {
      ...createTaskEnvironment(task),
      ...(model === null ? {} : { CANOPY_MODEL: fitVariable(model) }),
    };
  }

  /** Reads what is left, then ends what the command left running; that also closes pipes that it still holds. */
  async #reap(child: ChildProcessHandle, output: Promise<true>): Promise<void> {
    let isRead = await withinMs(output, IDLE_CHECK_MS);
    await child.stop(0);
    for (let idleCount = 0; isRead === null && idleCount < 4;) {
      isRead = await withinMs(output, IDLE_CHECK_MS);
      idleCount = this.#queue.hasRoom() ? idleCount + 1 : 0;
    }
  }

  async #readOutput(child: ChildProcessHandle, tail: TextTail): Promise<void> {
    const lines = new ByteLines(MAX_LINE_BYTES, "split");
    const decoder = new TextDecoder();
    const take = (line: Uint8Array): void => {
      const text = `${decoder.decode(line)}\n`;
      tail.push(text);
      this.#writer.message(text);
    };
    for await (const chunk of child.stdout) {
      for (const line of lines.push(chunk)) take(line);
      await this.#queue.room();
    }
    const rest = lines.flush();
    if (rest !== null) take(rest);
  }

  async #readStream(child: ChildProcessHandle, parser: StreamParser): Promise<void> {
    await readJsonLines(child.stdout, {
      onMessage: (message) => parser.take(message),
      onNotice: (text) => this.#writer.emit({ type: "notice", level: "warn", text }),
      room: () => (this.#queue.hasRoom() ? null : this.#queue.room()),
    });
  }

  async #readErrors(child: ChildProcessHandle, tail: TextTail): Promise<void> {
    const lines = new ByteLines(MAX_LINE_BYTES, "split");
    const decoder = new TextDecoder();
    const tell = (texts: readonly string[]): void => {
      const text = texts.join("\n");
      if (text.trim() === "") return;
      tail.push(`${text}\n`);
      this.#writer.emit({ type: "notice", level: "info", text });
    };
    for await (const chunk of child.stderr) {
      tell([...lines.push(chunk)].map((line) => decoder.decode(line)));
      await this.#queue.room();
    }
    const rest = lines.flush();
    if (rest !== null) tell([decoder.decode(rest)]);
  }

  #result(outcome: TurnOutcome): TurnResult {
    return { ...outcome, usage: this.#writer.usage, lastMessage: this.#writer.lastMessage };
  }
}
