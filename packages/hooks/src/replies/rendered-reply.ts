import type { HookReply } from "./hook-reply.ts";

/** One of the parts of a reply. */
export type ReplyPart = "decision" | "context" | "notice" | "keepWorking";

/** A reply in an agent's own form. */
export interface RenderedReply {
  /** What the hook prints, or the body of the http answer: one JSON object. */
  readonly body: string;
  /** The hook's exit code: always 0, for every agent reads its decision from the JSON. */
  readonly exitCode: 0;
  /** Parts that this agent cannot be told at this event, in the order of the type: keep the context and say it at a later one. */
  readonly undelivered: readonly ReplyPart[];
}

/** Collects which parts of a reply found a place in an answer. */
export class ReplyDraft {
  readonly #open: Set<ReplyPart>;

  constructor(reply: HookReply) {
    this.#open = new Set<ReplyPart>();
    if (reply.decision === "deny" || reply.decision === "ask") this.#open.add("decision");
    if (reply.context !== null) this.#open.add("context");
    if (reply.notice !== null) this.#open.add("notice");
    if (reply.keepWorking !== null) this.#open.add("keepWorking");
  }

  /** Marks a part as told. */
  settle(part: ReplyPart): void {
    this.#open.delete(part);
  }

  /** The answer, with what was not told. Members that are undefined are left out. */
  finish(body: Readonly<Record<string, unknown>>): RenderedReply {
    return { body: JSON.stringify(body), exitCode: 0, undelivered: [...this.#open] };
  }
}
