/** What a hook is answered, in terms that hold for all agents. What one of them cannot express falls back as the README's table says. */
export interface HookReply {
  /** `none` leaves the agent's own rules in force; `allow` goes past them. */
  readonly decision: "none" | "allow" | "deny" | "ask";
  /** For the model (deny) or the person (ask). Empty without a decision. */
  readonly reason: string;
  /** What the model should know, null for nothing. */
  readonly context: string | null;
  /** A line for the person at the terminal, null for nothing. */
  readonly notice: string | null;
  /** Why the agent should work on instead of ending its turn; heeded on `turn-end` and `child-end` only. */
  readonly keepWorking: string | null;
}

/** The answer that changes nothing. */
export const NO_REPLY: HookReply = {
  decision: "none",
  reason: "",
  context: null,
  notice: null,
  keepWorking: null,
};
