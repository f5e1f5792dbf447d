import type { HookCall, HookReply } from "@canopy/hooks";
import { EMPTY_ANSWER, NO_REPLY, ToolMemory, isHookAgent, parseHookCall, renderReply } from "@canopy/hooks";
import type { ProcessAnchor } from "@canopy/protocol";
import { brandId, isCanopyError } from "@canopy/protocol";
import { selectByNativeId } from "@canopy/core";
import type { RunnerLog } from "@canopy/runner";
import type { HookTurn } from "./answer-hook.ts";
import { answerAfterTool, answerBeforeTool, answerTurnEnd, takeDigest } from "./answer-hook.ts";
import { HOOK_ACTOR } from "./coordinated-place.ts";
import type { CoordinatedPlace } from "./coordinated-place.ts";
import type { PlaceFinder } from "./place-finder.ts";
import { findAgentProcess } from "./find-agent-process.ts";
import { answerGitHook } from "./git-guard.ts";
import { namePath } from "./name-path.ts";
import { MergeOutlook } from "./merge-outlook.ts";
import { ReadLedger } from "./read-ledger.ts";

/** A hook's call as it comes in. */
export interface HookRequest {
  /** `claude`, `codex`, `gemini`, `cursor`, `opencode`, or `git`. */
  readonly agent: string;
  /** The event's name when the payload does not say it. */
  readonly event: string | null;
  readonly body: string;
  /** The agent's process, or one that it started; null when the transport does not know. */
  readonly pid: number | null;
  readonly isBypassed: boolean;
}

/** What the hook prints, and its exit code. */
export interface HookAnswer {
  readonly body: string;
  readonly exitCode: number;
}

const MAX_PENDING = 500;

/** Answers the hooks of agents that nobody started together. Never throws: an agent must not hang on its coordinator. */
export class HookService {
  readonly #places: PlaceFinder;
  readonly #log: RunnerLog;
  readonly #onAlive: (place: CoordinatedPlace, sessionId: string) => void;
  readonly #ledger = new ReadLedger();
  readonly #tools = new ToolMemory();
  readonly #outlook = new MergeOutlook();
  /** Context that an agent could not be told where it came up, by session. */
  readonly #pending = new Map<string, string>();

  constructor(
    places: PlaceFinder,
    log: RunnerLog,
    onAlive: (place: CoordinatedPlace, sessionId: string) => void,
  ) {
    this.#places = places;
    this.#log = log;
    this.#onAlive = onAlive;
  }

  /** Answers one call. */
  async handle(request: HookRequest): Promise<HookAnswer> {
    if (request.agent === "git") return await this.#handleGit(request);
    if (!isHookAgent(request.agent)) return { body: EMPTY_ANSWER, exitCode: 0 };
    const parsed = parseHookCall(request.agent, request.body, request.event);
    const call = parsed === null ? null : this.#tools.settle(parsed);
    if (call === null) return { body: EMPTY_ANSWER, exitCode: 0 };
    let reply: HookReply;
    try {
      reply = await this.#answer(call, request);
    } catch (error) {
      reply = this.#failOpen(call, error);
    }
    const rendered = renderReply(call, reply);
    if (reply.context !== null && rendered.undelivered.includes("context"))
      this.#keepForLater(call, reply.context);
    return { body: rendered.body, exitCode: rendered.exitCode };
  }

  async #handleGit(request: HookRequest): Promise<HookAnswer> {
    try {
      return await answerGitHook(this.#places, request);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      this.#log.error({ error: text }, "a git hook could not be answered");
      return { body: `canopy: could not check this (${text}); it goes on\n`, exitCode: 0 };
    }
  }

  async #answer(call: HookCall, request: HookRequest): Promise<HookReply> {
    if (call.cwd === "") return NO_REPLY;
    const place = await this.#places.find(call.cwd, HOOK_ACTOR);
    if (!place.config.enabled) return NO_REPLY;
    const { event } = call;
    if (event.type === "session-end") {
      this.#end(call, place, event.reason);
      return NO_REPLY;
    }
    const sessionId = await this.#join(call, place, request.pid);
    this.#onAlive(place, sessionId);
    const turn: HookTurn = { call, place, sessionId, ledger: this.#ledger, isBypassed: request.isBypassed };
    const reply = this.#withPending(turn, this.#react(turn));
    if (event.type === "after-tool" && !event.failed) void this.#lookAhead(turn);
    return reply;
  }

  #react(turn: HookTurn): HookReply {
    const { call, place, sessionId } = turn;
    const { event } = call;
    const update = (change: object): void => {
      place.submit({ type: "presence.update", sessionId: brandId("session", sessionId), ...change });
    };
    switch (event.type) {
      case "session-start":
        this.#ledger.forget(sessionId);
        return { ...NO_REPLY, context: takeDigest(turn, call.nativeEvent) };
      case "prompt":
        update({ state: "active" });
        return { ...NO_REPLY, context: takeDigest(turn, call.nativeEvent) };
      case "before-tool":
        // Who uses tools is at work, whatever was heard of it last.
        update({ state: "active" });
        return answerBeforeTool(turn, event.intents);
      case "after-tool":
        return answerAfterTool(turn, event.intents, event.failed);
      case "after-batch":
        return { ...NO_REPLY, context: takeDigest(turn, call.nativeEvent) };
      case "child-start":
        if (call.childId !== null)
          update({ childStarted: { childId: call.childId, kind: call.childKind ?? "" } });
        return NO_REPLY;
      case "child-end":
        if (call.childId !== null) update({ childEnded: call.childId });
        return NO_REPLY;
      case "turn-end":
        return answerTurnEnd(turn, event.stopHookActive);
      case "notification":
        if (/permission|needs_input|elicitation/.test(event.kind)) update({ state: "waiting" });
        else if (/idle/.test(event.kind)) update({ state: "idle" });
        return NO_REPLY;
      default:
        // A folder or branch that changed was seen when the session said that it is alive.
        return NO_REPLY;
    }
  }

  async #join(call: HookCall, place: CoordinatedPlace, pid: number | null): Promise<string> {
    const { event } = call;
    const isStart = event.type === "session-start";
    const known = place.read((sql) => selectByNativeId(sql, call.agent, call.nativeSessionId));
    // Processes are looked at when a session comes, and when nothing is known of its process yet.
    const isAsked = pid !== null && (isStart || known?.presence.process == null || known.state === "ended");
    const process: ProcessAnchor | null = isAsked ? await findAgentProcess(pid) : null;
    const source = isStart
      ? toSource(event.source)
      : event.type === "compact" && event.phase === "after"
        ? "compact"
        : "again";
    const joined = place.submit({
      type: "presence.join",
      agent: call.agent,
      nativeSessionId: call.nativeSessionId,
      source,
      process,
      worktree: place.worktree.root,
      branch: place.branch,
      model: call.model,
    });
    return (joined as { readonly sessionId: string }).sessionId;
  }

  #end(call: HookCall, place: CoordinatedPlace, reason: string): void {
    const session = place.read((sql) => selectByNativeId(sql, call.agent, call.nativeSessionId));
    if (session === undefined || session.state === "ended") return;
    // Another context begins in the same process, and says so itself.
    if (reason === "clear" || reason === "resume") return;
    place.submit({
      type: "presence.end",
      sessionId: session.sessionId,
      reason: `the agent said: ${reason}`.slice(0, 500),
    });
  }

  #failOpen(call: HookCall, error: unknown): HookReply {
    // Outside of a repository there is nobody to get into the way of.
    if (isCanopyError(error) && error.code.startsWith("repository.")) return NO_REPLY;
    if (isCanopyError(error) && error.data !== undefined && isFinishedRefusal(error.data)) return NO_REPLY;
    const text = error instanceof Error ? error.message : String(error);
    this.#log.error(
      { error: text, agent: call.agent, event: call.nativeEvent },
      "a hook could not be answered",
    );
    return { ...NO_REPLY, notice: `Canopy could not check this (${text}); it goes on uncoordinated.` };
  }

  /** Looks at how the changed files will merge, without keeping the agent waiting: told at its next hook. */
  async #lookAhead({ call, place, sessionId }: HookTurn): Promise<void> {
    const keys = listChangedKeys(call, place);
    if (keys.length === 0) return;
    try {
      const lines = await this.#outlook.look(place, sessionId, keys);
      if (lines.length > 0) this.#keepForLater(call, lines.join("\n"));
    } catch (error) {
      this.#log.error({ error: String(error) }, "the merge of two work trees could not be tried");
    }
  }

  #keepForLater(call: HookCall, context: string): void {
    const key = `${call.agent}:${call.nativeSessionId}`;
    const before = this.#pending.get(key);
    this.#pending.delete(key);
    this.#pending.set(key, before === undefined ? context : `${before}\n${context}`.slice(-10_000));
    for (const oldest of this.#pending.keys()) {
      if (this.#pending.size <= MAX_PENDING) return;
      this.#pending.delete(oldest);
    }
  }

  #withPending({ call }: HookTurn, reply: HookReply): HookReply {
    const key = `${call.agent}:${call.nativeSessionId}`;
    const pending = this.#pending.get(key);
    if (
      pending === undefined ||
      !["prompt", "after-tool", "after-batch", "session-start"].includes(call.event.type)
    )
      return reply;
    this.#pending.delete(key);
    return { ...reply, context: reply.context === null ? pending : `${pending}\n${reply.context}` };
  }
}

/** Files of the session's own work tree that a tool has changed. */
function listChangedKeys({ event }: HookCall, place: CoordinatedPlace): string[] {
  if (event.type !== "after-tool") return [];
  const keys = event.intents.flatMap((intent) => {
    if (
      intent.kind === "git" ||
      intent.kind === "read" ||
      intent.glob !== null ||
      intent.certainty !== "sure"
    )
      return [];
    const { key, worktree } = namePath(intent.path, place.worktree.root, place.worktree);
    return worktree === place.worktree.root && !key.startsWith("/") && key !== "" ? [key] : [];
  });
  return [...new Set(keys)];
}

function isFinishedRefusal(data: unknown): boolean {
  return (
    typeof data === "object" &&
    data !== null &&
    "rejection" in data &&
    data.rejection === "coordination.finished"
  );
}

function toSource(text: string): "startup" | "resume" | "clear" | "compact" | "fork" {
  return text === "resume" || text === "clear" || text === "compact" || text === "fork" ? text : "startup";
}
