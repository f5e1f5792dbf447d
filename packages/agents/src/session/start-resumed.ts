import type { AgentEvent } from "@canopy/protocol";
import { isCanopyError } from "@canopy/protocol";
import type { AgentDriver, AgentSession, AgentStartSpec } from "../agent-driver.ts";

/** About 12,000 tokens: enough for the gist of a long session, small enough for any model. */
const MAX_SEED_CHARS = 48_000;
const MAX_ENTRY_CHARS = 4_000;

/** Why a fresh session is told of another: that one was cut off, or this one begins as a copy of it. */
export type SeedBeginning = "interrupted" | "forked";

const BEGINNINGS: Readonly<Record<SeedBeginning, string>> = {
  interrupted:
    "You go on with a session that was interrupted. This is what was said and done in it; files are as it left them.",
  forked:
    "You begin with the conversation of another session, as a copy of it; that one goes on without you. This is what was said and done in it. Look at the files: they may not be as it left them.",
};

/** One line of what was said and done; prompts are not among an agent's events. */
export type TranscriptLine = { readonly type: "prompt"; readonly text: string } | AgentEvent;

function clip(text: string): string {
  return text.length <= MAX_ENTRY_CHARS ? text : `${text.slice(0, MAX_ENTRY_CHARS).toWellFormed()} [cut]`;
}

function describeLine(line: TranscriptLine): string | null {
  if (line.type === "prompt") return `User: ${clip(line.text)}`;
  if (line.type === "message.done") return `Assistant: ${clip(line.text)}`;
  if (line.type === "tool.ended") {
    const { title, state, output } = line.tool;
    return `Tool (${state}): ${clip(title)}${output === undefined ? "" : `\n${clip(output)}`}`;
  }
  if (line.type === "turn.ended" && line.reason !== "end_turn") return `(this turn ended: ${line.reason})`;
  return null;
}

/** What a fresh session is told about the one that it goes on with; the oldest part goes when it is too long. */
export function createTranscriptSeed(
  transcript: readonly TranscriptLine[],
  beginning: SeedBeginning = "interrupted",
): string {
  const kept: string[] = [];
  let length = 0;
  for (const line of transcript.toReversed()) {
    const text = describeLine(line);
    if (text === null) continue;
    length += text.length;
    if (length > MAX_SEED_CHARS) break;
    kept.unshift(text);
  }
  return [BEGINNINGS[beginning], ...kept].join("\n\n");
}

/**
 * Resumes or forks a session, and when the agent has lost it or cannot do that starts a fresh one that is told our transcript.
 * `isFresh` says which. Throws what AgentDriver.start throws for reasons that a fresh session would not cure.
 */
export async function startResumed(
  driver: AgentDriver,
  spec: AgentStartSpec & { readonly resume: NonNullable<AgentStartSpec["resume"]> },
  transcript: readonly TranscriptLine[],
): Promise<{ readonly session: AgentSession; readonly isFresh: boolean }> {
  try {
    return { session: await driver.start(spec), isFresh: false };
  } catch (error) {
    if (!isCanopyError(error) || error.code !== "agent.failed" || spec.signal.aborted) throw error;
    const seed = createTranscriptSeed(transcript, spec.resume.asFork === true ? "forked" : "interrupted");
    const systemAppend = spec.systemAppend === null ? seed : `${spec.systemAppend}\n\n${seed}`;
    return { session: await driver.start({ ...spec, resume: null, systemAppend }), isFresh: true };
  }
}
