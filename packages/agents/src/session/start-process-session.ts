import { CanopyError, isCanopyError } from "@canopy/protocol";
import type { AgentSession, AgentStartSpec } from "../agent-driver.ts";
import { readRpcError } from "./read-rpc-error.ts";
import { describeExit, withTail } from "../turn-error.ts";
import { withinMs } from "../within-ms.ts";
import { ProcessSession } from "./process-session.ts";
import type { AgentLink, ProcessParts } from "./process-session.ts";

const AFTER_EXIT_MS = 1_000;

/** Why the session could not be opened, in the right words for a process that died, an error answer, or silence. */
async function startError(error: unknown, parts: ProcessParts): Promise<CanopyError> {
  if (isCanopyError(error)) return error;
  const { label, child, stderr, stderrEnded, graces } = parts;
  const failure = readRpcError(error);
  if (failure !== null) {
    return new CanopyError(
      "agent.failed",
      withTail(`${label} refused to start a session: ${failure.message}`, stderr.text),
      {
        cause: error,
        retry: true,
      },
    );
  }
  const exit = await child.stop(graces.stopMs);
  await withinMs(stderrEnded, 500);
  if (exit.code === 126 || exit.code === 127) {
    return new CanopyError("agent.not-found", withTail(`${label} could not be run`, stderr.text), {
      hint: "Install it, or correct its command in the configuration.",
    });
  }
  return new CanopyError(
    "agent.failed",
    withTail(`${label} ended while starting (${describeExit(exit)})`, stderr.text),
    {
      hint: "Run its command by hand to see what is wrong.",
      retry: true,
      cause: error,
    },
  );
}

/**
 * Waits for a session to open, at most `startMs`, and no longer than its process lives or its signal is not aborted.
 * Throws `cancelled`, `timed-out`, or what `opening` rejects with.
 */
export async function openWithin<T>(
  parts: ProcessParts,
  opening: Promise<T>,
  options: { readonly startMs: number; readonly spec: Pick<AgentStartSpec, "signal"> },
): Promise<T> {
  const { startMs, spec } = options;
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void =>
    reject(new CanopyError("cancelled", `the start of ${parts.label} was cancelled`));
  spec.signal.addEventListener("abort", onAbort, { once: true });
  if (spec.signal.aborted) onAbort();
  // The connection tells it sooner, unless a process that the agent started still holds the pipe.
  const exited = parts.child.exited
    .then(() => withinMs(aborted, AFTER_EXIT_MS))
    .then(() => {
      throw new Error("the agent's process ended");
    });
  exited.catch(() => null);
  aborted.catch(() => null);
  opening.catch(() => null);
  try {
    const opened = await withinMs(
      Promise.race([opening.then((value) => ({ value })), aborted, exited]),
      startMs,
    );
    if (opened !== null) return opened.value;
    throw new CanopyError("timed-out", `${parts.label} did not open a session within ${startMs / 1000} s`, {
      retry: true,
      hint: "Run its command by hand to see what it waits for.",
    });
  } finally {
    spec.signal.removeEventListener("abort", onAbort);
  }
}

/** Ends a process whose session could not be opened, and says why it could not. */
export async function abandonStart(parts: ProcessParts, error: unknown): Promise<CanopyError> {
  const failure = await startError(error, parts);
  await parts.child.stop(parts.graces.stopMs);
  parts.disconnect();
  parts.queue.end();
  return failure;
}

/** What starting a session of one process needs: `open` speaks the protocol's handshake. */
export interface ProcessStart {
  readonly open: () => Promise<AgentLink>;
  readonly startMs: number;
  readonly spec: AgentStartSpec;
}

/** From a started process to a session; when it cannot be opened nothing is left. Throws what AgentDriver.start throws. */
export async function startProcessSession(parts: ProcessParts, start: ProcessStart): Promise<AgentSession> {
  const { spec } = start;
  try {
    const link = await openWithin(parts, start.open(), start);
    parts.writer.emit({ type: "session.started", nativeSessionId: link.nativeSessionId });
    const session = new ProcessSession(parts, link);
    if (spec.signal.aborted) await session.close();
    else spec.signal.addEventListener("abort", () => void session.close(), { once: true });
    return session;
  } catch (error) {
    throw await abandonStart(parts, error);
  }
}
