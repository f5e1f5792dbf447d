import { createTranscriptSeed, startResumed } from "@canopy/agents";
import type { AgentDriver, AgentSession, AgentStartSpec, PreparedAgent } from "@canopy/agents";
import type { HostedSession, SessionPast } from "./session-host.ts";

/** An agent that is there for a session. */
export interface StartedAgent {
  readonly session: AgentSession;
  /** How it knows what was before: not at all, because there was nothing; by itself; or because it was told. */
  readonly memory: "new" | "own" | "told";
  /** True when that is another session's past. */
  readonly isFork: boolean;
}

function addTo(systemAppend: string | null, text: string): string {
  return systemAppend === null ? text : `${systemAppend}\n\n${text}`;
}

function readBefore(hosted: HostedSession | null): { past: SessionPast | null; isFork: boolean } {
  const own = hosted?.readPast() ?? null;
  if (own !== null || hosted === null) return { past: own, isFork: false };
  const past = hosted.readOrigin();
  return { past, isFork: past !== null };
}

/** A session that goes on with its past, or that begins with a copy of another's. */
async function startWithPast(
  driver: AgentDriver,
  spec: AgentStartSpec,
  { nativeSessionId, transcript }: SessionPast,
  isFork: boolean,
): Promise<Pick<StartedAgent, "session" | "memory">> {
  if (nativeSessionId === null) {
    const seed = createTranscriptSeed(transcript, isFork ? "forked" : "interrupted");
    const systemAppend = addTo(spec.systemAppend, seed);
    return { session: await driver.start({ ...spec, systemAppend }), memory: "told" };
  }
  const resume = { nativeSessionId, ...(isFork ? { asFork: true } : {}) };
  const { session, isFresh } = await startResumed(driver, { ...spec, resume }, transcript);
  return { session, memory: isFresh ? "told" : "own" };
}

/**
 * Starts an agent in a session: a new one, or one that goes on with its own conversation or with a copy of another's; when it
 * cannot, a fresh one that is told our transcript. Throws what the driver's start throws.
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
  const { past, isFork } = readBefore(hosted);
  if (past === null) {
    const session = await (prepared === null ? driver.start(full) : prepared.open(full));
    return { session, memory: "new", isFork };
  }
  await prepared?.[Symbol.asyncDispose]();
  return { ...(await startWithPast(driver, full, past, isFork)), isFork };
}
