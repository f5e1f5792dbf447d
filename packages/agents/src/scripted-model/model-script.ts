import { Buffer } from "node:buffer";
import { z } from "zod";

const toolUseSchema = z.strictObject({
  tool: z.string().min(1),
  args: z.record(z.string(), z.json()).default({}),
});

const errorSchema = z.strictObject({
  status: z.int().min(400).max(599),
  /** The provider's name of the error; by default the usual one for the status. */
  type: z.string().optional(),
  message: z.string().default("scripted error"),
  /** So many requests fail, then `after` is played. Without it every request fails. */
  times: z.int().positive().optional(),
  /** Seconds, as the header has it. */
  retryAfter: z.union([z.string(), z.number()]).optional(),
});

/** What the model does in answer to one request. Times are in milliseconds. */
export const modelStepSchema = z.strictObject({
  text: z.string().optional(),
  /** Says the text so many times, for overlong answers. */
  repeat: z.int().positive().max(1_000_000).optional(),
  thinking: z.string().optional(),
  tool: z.string().min(1).optional(),
  args: z.record(z.string(), z.json()).optional(),
  /** Several tool calls at once. */
  tools: z.array(toolUseSchema).optional(),
  delayMs: z.int().nonnegative().optional(),
  chunkMs: z.int().nonnegative().optional(),
  /** Says what it has to say and then never ends. */
  hang: z.boolean().optional(),
  /** Says half of it and then cuts the connection. */
  disconnect: z.boolean().optional(),
  /** Sends bytes that no client can read. */
  malformed: z.boolean().optional(),
  /** `refusal` is the model's own no, `content_filter` its provider's. */
  stop: z.enum(["max_tokens", "refusal", "content_filter"]).optional(),
  error: errorSchema.optional(),
  get after() {
    return modelStepSchema.optional();
  },
});

/** What the model does in answer to one request. */
export type ModelStep = z.infer<typeof modelStepSchema>;

/** One message of the conversation in a request, as far as scripts look at it. */
export interface ConversationTurn {
  readonly role: "user" | "assistant";
  readonly text: string;
}

/** The step that a request shall be answered with. `key` names the script and the place in it. */
export interface ChosenStep {
  readonly step: ModelStep;
  readonly index: number;
  readonly key: string;
}

const DIRECTIVE = /@@SCRIPT(64)?\s+([\s\S]*?)\s*@@END/g;
const AFTER_THE_END: ModelStep = { text: "done" };

/** Text for a prompt that makes the model play these steps. `encoding` base64 survives any quoting. */
export function createModelScript(
  steps: readonly z.input<typeof modelStepSchema>[],
  encoding: "json" | "base64" = "json",
): string {
  const json = JSON.stringify(steps);
  return encoding === "json"
    ? `@@SCRIPT ${json} @@END`
    : `@@SCRIPT64 ${Buffer.from(json).toString("base64")} @@END`;
}

function parseSteps(encoding: string | undefined, body: string): ModelStep[] {
  try {
    const json = encoding === "64" ? Buffer.from(body, "base64").toString("utf8") : body;
    const parsed = z.array(modelStepSchema).safeParse(JSON.parse(json));
    if (parsed.success) return parsed.data;
    return [{ text: `the script is wrong: ${z.prettifyError(parsed.error)}` }];
  } catch (error) {
    return [{ text: `the script is no JSON: ${String(error)}` }];
  }
}

function lastDirective(text: string): RegExpMatchArray | null {
  return [...text.matchAll(DIRECTIVE)].at(-1) ?? null;
}

/**
 * Finds the step for a conversation. Nothing is remembered between requests: the place in the script is the number of
 * assistant turns after the last user turn with a directive, so retries, resumes, forks and parallel sessions all work.
 */
export function chooseModelStep(turns: readonly ConversationTurn[]): ChosenStep | null {
  for (let at = turns.length - 1; at >= 0; at -= 1) {
    const turn = turns[at];
    const directive = turn?.role === "user" ? lastDirective(turn.text) : null;
    if (directive === null) continue;
    const index = turns.slice(at + 1).filter((later) => later.role === "assistant").length;
    const steps = parseSteps(directive[1], directive[2] ?? "");
    return { step: steps[index] ?? AFTER_THE_END, index, key: `${directive[0]}#${index}` };
  }
  return null;
}
