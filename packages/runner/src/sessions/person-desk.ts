import { randomUUID } from "node:crypto";
import type { AgentEvent, AttemptJob, Inquiry, InquiryId, Json, PermissionConfig } from "@canopy/protocol";
import { brandId } from "@canopy/protocol";
import { decidePermission } from "@canopy/agents";
import type { AgentSession, PermissionRules } from "@canopy/agents";
import type { JobSource } from "../job-source.ts";
import type { RunnerLog } from "../runner-log.ts";

/** What a desk needs. */
export interface DeskOptions {
  readonly source: JobSource;
  readonly job: AttemptJob;
  readonly cwd: string;
  readonly config: PermissionConfig;
  readonly session: Pick<AgentSession, "answerPermission" | "answerQuestion">;
  /** Nobody answered a question in time: the work is to be laid aside until somebody does. */
  readonly onPark: () => void;
  readonly log: RunnerLog;
}

type Asked = Extract<AgentEvent, { type: "permission.asked" | "question.asked" }>;

/** What the configuration says about a role's permissions; what it leaves out is the project's. */
export function permissionsOf(config: PermissionConfig, job: AttemptJob): PermissionConfig {
  const role = job.ladder === null || job.ladder.rung === "hand-back" ? "worker" : job.ladder.rung;
  const own = config.roles[role];
  return {
    ...config,
    policy: own?.policy ?? config.policy,
    // What mends the queue is in nobody's way for long: it decides by itself, or the next rung is tried.
    questions: job.ladder === null ? (own?.questions ?? config.questions) : "decide",
  };
}

/** How agents call Canopy's own tools, which need nobody's leave: claude, codex, opencode, gemini. */
const OWN_TOOLS = ["mcp__canopy__*", "canopy: *", "canopy_*", "* (canopy MCP Server)*"].map((title) => ({
  decision: "allow" as const,
  kinds: ["other" as const],
  title,
}));

/** The same as the agents' broker takes it. Questions are the desk's own business, so the broker lets them wait. */
export function toPermissionRules(config: PermissionConfig): PermissionRules {
  const rules = config.rules.map(({ decision, kinds, title, where }) => ({
    decision,
    ...(kinds === undefined ? {} : { kinds }),
    ...(title === undefined ? {} : { title }),
    ...(where === undefined ? {} : { where }),
  }));
  return { rules: [...OWN_TOOLS, ...rules], otherwise: config.policy, askMs: null };
}

/** The id of the inquiry that a room opened, or null. */
export function readInquiryId(result: Json): InquiryId | null {
  const inquiry: unknown =
    typeof result === "object" && result !== null ? Reflect.get(result, "inquiry") : null;
  const id: unknown =
    typeof inquiry === "object" && inquiry !== null ? Reflect.get(inquiry, "inquiryId") : null;
  return typeof id === "string" ? brandId("inquiry", id) : null;
}

/** Brings what an agent asks before people, and their answers back. */
export class PersonDesk implements Disposable {
  readonly #options: DeskOptions;
  readonly #rules: PermissionRules;
  readonly #waiting = new Map<string, { readonly kind: Inquiry["kind"]; inquiryId: InquiryId | null }>();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  readonly #endAnswers: () => void;
  #parkedFor: InquiryId | null = null;

  constructor(options: DeskOptions) {
    this.#options = options;
    this.#rules = toPermissionRules(options.config);
    this.#endAnswers = options.source.onAnswer((inquiry) => this.#takeAnswer(inquiry));
  }

  /** The question that the work waits for, once nobody had answered it in time. */
  get parkedFor(): InquiryId | null {
    return this.#parkedFor;
  }

  /** Looks at an event; what concerns people goes before them. */
  take(event: AgentEvent): void {
    if (event.type === "permission.asked") {
      const { decision } = decidePermission(this.#rules, event.tool, this.#options.cwd);
      if (decision === "ask") void this.#open(event);
    }
    if (event.type === "question.asked") {
      if (this.#options.config.questions === "ask") void this.#open(event);
      else this.#answer(event.requestId, "question", null, "policy:decide");
    }
    if (event.type === "permission.answered" || event.type === "question.answered")
      void this.#close(event.requestId, event.by);
  }

  [Symbol.dispose](): void {
    this.#endAnswers();
    for (const timer of this.#timers.values()) clearTimeout(timer);
  }

  async #open(event: Asked): Promise<void> {
    const { source, job, log, config } = this.#options;
    const { requestId } = event;
    const isQuestion = event.type === "question.asked";
    const entry = { kind: isQuestion ? ("question" as const) : ("permission" as const), inquiryId: null };
    this.#waiting.set(requestId, entry);
    const command = {
      type: "inquiry.open" as const,
      kind: entry.kind,
      sessionId: job.sessionId,
      text: (isQuestion ? event.text : `${event.tool.kind}: ${event.tool.title}`).slice(0, 20_000) || "?",
      options: isQuestion ? [] : event.options,
      details: (isQuestion ? event.schema : event.tool.input) ?? null,
      subAgent: event.subAgent ?? null,
    };
    const outcome = await source.submit(command, `inquiry:${job.attemptId}:${requestId}:${randomUUID()}`);
    const inquiryId = outcome.type === "accepted" ? readInquiryId(outcome.result) : null;
    if (inquiryId === null) {
      log.warn({ sessionId: job.sessionId }, "the room took no inquiry: it is refused");
      this.#answer(requestId, entry.kind, null, "room");
      return;
    }
    if (!this.#waiting.has(requestId)) {
      // It was settled while the room was being told.
      await source.submit({ type: "inquiry.close", inquiryId, by: "agent" }, `close:${inquiryId}`);
      return;
    }
    this.#waiting.set(requestId, { ...entry, inquiryId });
    const waitMs = isQuestion ? config.question_wait : config.ask_timeout;
    this.#timers.set(
      requestId,
      setTimeout(() => this.#onTimeOut(requestId, inquiryId), waitMs),
    );
  }

  #onTimeOut(requestId: string, inquiryId: InquiryId): void {
    const entry = this.#waiting.get(requestId);
    if (entry === undefined) return;
    if (entry.kind === "permission") {
      this.#answer(requestId, "permission", null, "time-out");
      return;
    }
    this.#waiting.delete(requestId);
    this.#parkedFor ??= inquiryId;
    this.#options.onPark();
  }

  #takeAnswer(inquiry: Inquiry): void {
    for (const [requestId, { inquiryId, kind }] of this.#waiting) {
      if (inquiryId !== inquiry.inquiryId) continue;
      this.#forget(requestId);
      this.#answer(requestId, kind, inquiry.answer, inquiry.by ?? "person");
    }
  }

  #answer(requestId: string, kind: Inquiry["kind"], answer: Json, by: string): void {
    const { session, log } = this.#options;
    const sent =
      kind === "permission"
        ? session.answerPermission(requestId, typeof answer === "string" ? answer : null, by)
        : session.answerQuestion(requestId, answer, by);
    sent.catch((error: unknown) => log.warn({ requestId, error }, "an answer came too late"));
  }

  #forget(requestId: string): void {
    clearTimeout(this.#timers.get(requestId));
    this.#timers.delete(requestId);
    this.#waiting.delete(requestId);
  }

  /** Settled by somebody else than a person who answered here: the policy, a time-out, the agent itself. */
  async #close(requestId: string, by: string): Promise<void> {
    const entry = this.#waiting.get(requestId);
    this.#forget(requestId);
    if (entry === undefined || entry.inquiryId === null) return;
    const { inquiryId } = entry;
    await this.#options.source.submit({ type: "inquiry.close", inquiryId, by }, `close:${inquiryId}`);
  }
}
