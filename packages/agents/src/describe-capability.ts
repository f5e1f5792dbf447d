import type { AgentCapabilities, CapabilityLevel } from "./agent-driver.ts";

/** A level in a person's words. */
export type CapabilityWord = "native" | "emulated" | "refused";

/** What a capability is about, and what happens for an agent that lacks it. */
export interface CapabilityText {
  readonly title: string;
  /** What Canopy does in the agent's place; null where no agent needs that. */
  readonly emulated: string | null;
  /** What happens where neither can do it; null where Canopy always can. */
  readonly refused: string | null;
}

/** Every capability in the order that people are told of them. */
export const CAPABILITY_TEXTS: Readonly<Record<keyof AgentCapabilities, CapabilityText>> = {
  steer: {
    title: "a prompt in the middle of a turn",
    emulated: "the running turn is ended, and the prompt is asked next: `canopy session prompt --now`",
    refused: null,
  },
  queue: {
    title: "a prompt behind the running turn",
    emulated: "Canopy keeps the line and asks when the turn is over: `canopy session prompt`",
    refused: null,
  },
  resume: {
    title: "going on after an interruption",
    emulated: "a fresh session is told our transcript",
    refused: "the attempt begins anew",
  },
  fork: {
    title: "`canopy session fork`",
    emulated: "a fresh session is told our transcript, up to where the fork begins",
    refused: "refused with `usage.invalid`: the fork needs an agent that holds a conversation",
  },
  images: {
    title: "images of tasks and prompts",
    emulated:
      "they lie in `.canopy/images` of the workspace, outside of the work, and the prompt names their paths",
    refused: "the attempt fails and says so",
  },
  systemAppend: {
    title: "system text",
    emulated: "a fenced text in front of the first prompt",
    refused: null,
  },
  mcpHttp: {
    title: "tool servers over HTTP",
    emulated: "Canopy's tools come over standard input and output",
    refused: "it gets no tools",
  },
  modelList: {
    title: "`canopy agent models`, and refusing a model that it does not have",
    emulated: null,
    refused: "any name of a model is passed on to it, with a notice",
  },
  cost: {
    title: "prices",
    emulated: null,
    refused: "tokens are counted; budgets in money do not hold for it, which a run says at its start",
  },
  diff: {
    title: "what an edit changed",
    emulated: "what an attempt changed is captured as a whole",
    refused: null,
  },
  refusal: {
    title: "a refusal of its model",
    emulated: null,
    refused: "seen as the end of a turn like any other; when not a word was said, with a notice",
  },
};

/** A level in a person's words. */
export function capabilityWord(level: CapabilityLevel): CapabilityWord {
  if (level === "emulated") return "emulated";
  return level ? "native" : "refused";
}

/** A level with what it means for this capability, such as `emulated: a fenced text in front of the first prompt`. */
export function describeCapability(name: keyof AgentCapabilities, level: CapabilityLevel): string {
  const word = capabilityWord(level);
  const { emulated, refused } = CAPABILITY_TEXTS[name];
  const text = word === "native" ? null : word === "emulated" ? emulated : refused;
  return text === null ? word : `${word}: ${text}`;
}

/** The capabilities at one level, in order. */
export function capabilitiesAt(
  capabilities: AgentCapabilities,
  word: CapabilityWord,
): (keyof AgentCapabilities)[] {
  const names: (keyof AgentCapabilities)[] = [];
  let name: keyof AgentCapabilities;
  for (name in CAPABILITY_TEXTS) if (capabilityWord(capabilities[name]) === word) names.push(name);
  return names;
}
