import type { Json, PermissionOption, SubAgent } from "@canopy/protocol";
import { CanopyError } from "@canopy/protocol";
import type { PermissionPolicy } from "../agent-driver.ts";
import type { EventWriter, ToolPatch } from "../event-writer.ts";
import { decidePermission } from "./decide-permission.ts";

/** A tool call that an agent wants leave for. */
export interface PermissionRequest {
  readonly toolCallId: string;
  readonly patch: ToolPatch;
  readonly options: readonly PermissionOption[];
  /** Who below the session's own agent asks. */
  readonly subAgent?: SubAgent | undefined;
}

/** A question to a person. */
export interface QuestionRequest {
  readonly text: string;
  /** The questions as the agent put them. */
  readonly schema?: Json | undefined;
  readonly subAgent?: SubAgent | undefined;
}

interface OpenRequest {
  readonly options: readonly PermissionOption[];
  readonly settle: (optionId: string | null, by: string) => void;
}

/** What agents without options of their own are asked: leave for this one call. */
export const PLAIN_OPTIONS: readonly PermissionOption[] = [
  { optionId: "allow", name: "Allow", kind: "allow_once" },
  { optionId: "reject", name: "Reject", kind: "reject_once" },
];

function findOption(
  options: readonly PermissionOption[],
  kinds: readonly PermissionOption["kind"][],
): string | null {
  for (const kind of kinds) {
    const option = options.find((candidate) => candidate.kind === kind);
    if (option !== undefined) return option.optionId;
  }
  return null;
}

/** Once before always: a lasting permission may be written into the user's repository by the agent. */
function allowOption(options: readonly PermissionOption[]): string | null {
  return findOption(options, ["allow_once", "allow_always"]);
}

function rejectOption(options: readonly PermissionOption[]): string | null {
  return findOption(options, ["reject_once", "reject_always"]);
}

/** Answers an agent's permission requests and questions by policy or by a person, and leaves none open. */
export class PermissionBroker {
  readonly #writer: EventWriter;
  #policy: PermissionPolicy;
  readonly #cwd: string;
  readonly #open = new Map<string, OpenRequest>();
  readonly #questions = new Map<string, (answer: Json | null, by: string) => void>();
  #count = 0;

  constructor(writer: EventWriter, policy: PermissionPolicy, cwd = "/") {
    this.#writer = writer;
    this.#policy = policy;
    this.#cwd = cwd;
  }

  /** Decides by this from now on. */
  usePolicy(policy: PermissionPolicy): void {
    this.#policy = policy;
  }

  /** Resolves with the chosen option, null for a request that was cancelled. `signal` is the agent taking it back. */
  ask(request: PermissionRequest, signal: AbortSignal): Promise<string | null> {
    const tool = this.#writer.tool(request.toolCallId, request.patch);
    this.#count += 1;
    const requestId = `permission-${this.#count}`;
    const options = [...request.options];
    const { subAgent } = request;
    const who = subAgent === undefined ? {} : { subAgent };
    this.#writer.emit({ type: "permission.asked", requestId, tool, options, ...who });
    const { promise, resolve } = Promise.withResolvers<string | null>();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const settle = (optionId: string | null, by: string): void => {
      if (!this.#open.delete(requestId)) return;
      clearTimeout(timer);
      this.#writer.emit({ type: "permission.answered", requestId, optionId, by });
      resolve(optionId);
    };
    this.#open.set(requestId, { options, settle });
    signal.addEventListener("abort", () => settle(null, "agent"), { once: true });
    const { decision, by } = decidePermission(this.#policy, tool, this.#cwd);
    if (decision === "allow") settle(allowOption(options), by);
    if (decision === "deny") settle(rejectOption(options), by);
    const askMs = typeof this.#policy === "object" ? this.#policy.askMs : null;
    if (decision === "ask" && askMs !== null)
      timer = setTimeout(() => settle(rejectOption(options), "time-out"), askMs);
    return promise;
  }

  /**
   * Asks a person. Resolves with the answer, null when there is none: a policy that asks nobody, a time-out, a cancel.
   * An agent that gets none is told to decide by itself.
   */
  askQuestion({ text, schema, subAgent }: QuestionRequest, signal: AbortSignal): Promise<Json | null> {
    this.#count += 1;
    const requestId = `question-${this.#count}`;
    this.#writer.emit({
      type: "question.asked",
      requestId,
      text,
      ...(schema === undefined ? {} : { schema }),
      ...(subAgent === undefined ? {} : { subAgent }),
    });
    const { promise, resolve } = Promise.withResolvers<Json | null>();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const settle = (answer: Json | null, by: string): void => {
      if (!this.#questions.delete(requestId)) return;
      clearTimeout(timer);
      this.#writer.emit({ type: "question.answered", requestId, answer, by });
      resolve(answer);
    };
    this.#questions.set(requestId, settle);
    signal.addEventListener("abort", () => settle(null, "agent"), { once: true });
    const policy = this.#policy;
    if (policy === "allow-all" || policy === "deny-all") settle(null, `policy:${policy}`);
    else if (typeof policy === "object" && policy.askMs !== null)
      timer = setTimeout(() => settle(null, "time-out"), policy.askMs);
    return promise;
  }

  /** A person's answer to a question. */
  answerQuestion(requestId: string, answer: Json, by: string): void {
    const settle = this.#questions.get(requestId);
    if (settle === undefined) {
      throw new CanopyError("thing.not-found", `question ${requestId} is not open`, {
        hint: "It was answered already, or its turn is over.",
      });
    }
    settle(answer, by);
  }

  /** A person's answer. Null picks the option that rejects once, else cancels the request. */
  answer(requestId: string, optionId: string | null, by: string): void {
    const request = this.#open.get(requestId);
    if (request === undefined) {
      throw new CanopyError("thing.not-found", `permission request ${requestId} is not open`, {
        hint: "It was answered already, or its turn is over.",
      });
    }
    const isKnown = optionId === null || request.options.some((option) => option.optionId === optionId);
    if (!isKnown) {
      const known = request.options.map((option) => option.optionId).join(", ");
      throw new CanopyError("request.invalid", `permission request ${requestId} has no option ${optionId}`, {
        hint: `Its options are: ${known}.`,
      });
    }
    request.settle(optionId ?? rejectOption(request.options), by);
  }

  /** Answers everything that is open as cancelled; agents wait forever otherwise. */
  cancelAll(by: string): void {
    for (const request of this.#open.values()) request.settle(null, by);
    for (const settle of this.#questions.values()) settle(null, by);
  }
}
