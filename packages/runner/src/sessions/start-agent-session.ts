import { createTranscriptSeed, startResumed } from "@canopy/agents";
import type { AgentDriver, AgentSession, AgentStartSpec, PreparedAgent } from "@canopy/agents";
import type { HostedSession } from "./session-host.ts";

/** An agent that is there for a session. */
export interface StartedAgent {
  readonly session: AgentSession;
  /** How it knows what was before: not at all, because there was nothing; by itself; or because it was told. */
  readonly memory: "new" | "own" | "told";
}

function addTo(systemAppend: string | null, text: string): string {
  return systemAppend === null ? text : `${systemAppend}\n\n${text}`;
}

/**
 * Starts an agent in a session: a new one, or one that goes on with its own conversation; when it has lost that, a fresh one
 * that is told our transcript. Throws what the driver's start throws.
 */
export async function startAgentSession(
  driver: AgentDriver,
  spec: Omit<AgentStartSpec, "systemAppend" | "mcpServers" | "resume">,
  told: {
    readonly hosted: HostedSession | null;
    readonly instructions: string | null;
    /** One that waits for this session already; it is not used for a session that has a past. */
    readonly prepared: PreparedAgent | null;
  },
): Promise<StartedAgent> {
  const { hosted, instructions, prepared } = told;
  const systemText = hosted?.systemText ?? null;
  const full: AgentStartSpec = {
    ...spec,
    systemAppend:
      systemText === null || instructions === null ? systemText : `${systemText}\n\n${instructions}`,
    mcpServers: hosted?.mcpServers ?? [],
    resume: null,
  };
  const past = hosted?.readPast() ?? null;
  if (past === null)
    return { session: await (prepared === null ? driver.start(full) : prepared.open(full)), memory: "new" };
  await prepared?.[Symbol.asyncDispose]();
  const { nativeSessionId, transcript } = past;
  if (nativeSessionId === null) {
    const systemAppend = addTo(full.systemAppend, createTranscriptSeed(transcript));
    return { session: await driver.start({ ...full, systemAppend }), memory: "told" };
  }
  const started = await startResumed(driver, { ...full, resume: { nativeSessionId } }, transcript);
  return { session: started.session, memory: started.isFresh ? "told" : "own" };
}
