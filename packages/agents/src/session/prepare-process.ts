import type { AgentPrepareSpec, AgentSession, AgentStartSpec, PreparedAgent } from "../agent-driver.ts";
import type { ProcessParts } from "./process-session.ts";
import { abandonStart, openWithin } from "./start-process-session.ts";

/** A session of which nothing is known yet; asked for leave before it is one, it gets none. */
export function createBlankSpec(spec: AgentPrepareSpec): AgentStartSpec {
  return {
    ...spec,
    systemAppend: null,
    mcpServers: [],
    permissionPolicy: "deny-all",
    resume: null,
    task: null,
  };
}

/** How a prepared process greets, and how it becomes a session. */
export interface Preparation {
  /** What can be said before the session is known. */
  readonly greet: () => Promise<void>;
  readonly startMs: number;
  readonly open: (spec: AgentStartSpec) => Promise<AgentSession>;
}

/** From a started process to one that waits for its session; when it does not get there nothing is left. */
export async function prepareProcess(
  parts: ProcessParts,
  spec: AgentPrepareSpec,
  { greet, startMs, open }: Preparation,
): Promise<PreparedAgent> {
  try {
    await openWithin(parts, greet(), { startMs, spec });
  } catch (error) {
    throw await abandonStart(parts, error);
  }
  let isOpen = false;
  return {
    exited: parts.child.exited.then(() => undefined),
    open: (full) => {
      isOpen = true;
      parts.permissions.usePolicy(full.permissionPolicy);
      return open(full);
    },
    [Symbol.asyncDispose]: async () => {
      if (isOpen) return;
      await parts.child.stop(parts.graces.stopMs);
      parts.disconnect();
      parts.queue.end();
    },
  };
}
