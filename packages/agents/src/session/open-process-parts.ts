import { TextDecoder } from "node:util";
import type { ChildProcessHandle } from "@canopy/protocol";
import type { AgentStartSpec } from "../agent-driver.ts";
import { TextTail } from "../byte-lines.ts";
import { EventQueue } from "../event-queue.ts";
import { EventWriter } from "../event-writer.ts";
import { PermissionBroker } from "./permission-broker.ts";
import type { ProcessParts, SessionGraces } from "./process-session.ts";

const DEFAULT_GRACES: SessionGraces = { cancelMs: 10_000, endInputMs: 2_000, stopMs: 2_000 };
const STDERR_CHARS = 4_000;

async function drainStderr(child: ChildProcessHandle, tail: TextTail): Promise<void> {
  const decoder = new TextDecoder();
  for await (const chunk of child.stderr) tail.push(decoder.decode(chunk, { stream: true }));
}

/** What every session of one process has: events, permissions and the end of its error output, which is read from now on. */
export function openProcessParts(
  child: ChildProcessHandle,
  options: { readonly label: string; readonly graces: Partial<SessionGraces> },
  spec: AgentStartSpec,
): Omit<ProcessParts, "disconnect"> {
  const queue = new EventQueue();
  const writer = new EventWriter(queue);
  const stderr = new TextTail(STDERR_CHARS);
  return {
    label: options.label,
    child,
    queue,
    writer,
    permissions: new PermissionBroker(writer, spec.permissionPolicy, spec.cwd),
    stderr,
    // A broken error pipe only shortens what can be told about a crash.
    stderrEnded: drainStderr(child, stderr).catch(() => undefined),
    graces: { ...DEFAULT_GRACES, ...options.graces },
  };
}
