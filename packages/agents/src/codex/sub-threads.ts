import type { SubAgent } from "@canopy/protocol";
import { z } from "zod";

const NAME_CHARS = 80;

const collabSchema = z.looseObject({
  item: z.looseObject({
    type: z.literal("collabAgentToolCall"),
    prompt: z.string().nullish(),
    receiverThreadIds: z.array(z.string()),
  }),
});

const ofTurnSchema = z.looseObject({
  turnId: z.string().optional().catch(undefined),
  turn: z.looseObject({ id: z.string() }).optional().catch(undefined),
});

/**
 * Threads of the agents that codex's own agent has started. They tell their own story, on the same line, and go on when the turn of the
 * first thread is over: the work is done when they are, too.
 */
export class SubThreads {
  readonly #names = new Map<string, string>();
  /** Running turns by thread. */
  readonly #turns = new Map<string, string>();
  readonly #over = new Set<string>();

  /** Threads at work, each with its turn. */
  get running(): ReadonlyMap<string, string> {
    return this.#turns;
  }

  /** Who asks. */
  describe(threadId: string): SubAgent {
    return { subAgentId: threadId, name: this.#names.get(threadId) ?? "sub-agent" };
  }

  /** Takes a notification of any thread that may name one: the call that starts an agent says what it is for. */
  noteCall(params: unknown): void {
    const item = collabSchema.safeParse(params).data?.item;
    const [line = ""] = item?.prompt?.trim().split("\n") ?? [];
    if (item === undefined || line === "") return;
    for (const threadId of item.receiverThreadIds) {
      if (!this.#names.has(threadId)) this.#names.set(threadId, line.slice(0, NAME_CHARS));
    }
  }

  /**
   * Takes a message of one of these threads. Codex tells of a thread only from a moment after its start on, so that whatever
   * names a turn shows that it runs, not its beginning alone.
   */
  noteTurn(threadId: string, method: string, params: unknown): void {
    const named = ofTurnSchema.safeParse(params).data;
    const turnId = named?.turn?.id ?? named?.turnId;
    if (turnId === undefined) return;
    if (method === "turn/completed") {
      this.#over.add(turnId);
      if (this.#turns.get(threadId) === turnId) this.#turns.delete(threadId);
    } else if (!this.#over.has(turnId)) this.#turns.set(threadId, turnId);
  }
}
