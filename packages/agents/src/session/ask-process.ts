import type { AgentPrepareSpec } from "../agent-driver.ts";
import type { ProcessParts } from "./process-session.ts";
import { abandonStart, openWithin } from "./start-process-session.ts";

/** Asks a started process one thing and ends it. Throws what AgentDriver.start throws; nothing is left. */
export async function askProcess<T>(
  parts: ProcessParts,
  options: {
    readonly ask: () => Promise<T>;
    readonly startMs: number;
    readonly spec: Pick<AgentPrepareSpec, "signal">;
  },
): Promise<T> {
  const { ask, startMs, spec } = options;
  try {
    parts.queue.unbound();
    const answer = await openWithin(parts, ask(), { startMs, spec });
    await parts.child.stop(parts.graces.stopMs);
    parts.disconnect();
    parts.queue.end();
    return answer;
  } catch (error) {
    throw await abandonStart(parts, error);
  }
}
