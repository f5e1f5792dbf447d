import { Buffer } from "node:buffer";
import type { AgentTask } from "./agent-driver.ts";

/** Linux takes at most 128 KiB for one `NAME=value` string; this leaves room for the name. */
export const MAX_VARIABLE_BYTES = 120_000;

const CUT_MARKER = "\n[cut by canopy: the full text is on standard input]";

/** Cuts a value that the kernel would refuse, at a character boundary, and says so at its end. NUL characters go. */
export function fitVariable(value: string): string {
  const clean = value.replaceAll("\0", "");
  if (Buffer.byteLength(clean) <= MAX_VARIABLE_BYTES) return clean;
  const bytes = Buffer.from(clean);
  let end = MAX_VARIABLE_BYTES - Buffer.byteLength(CUT_MARKER);
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.toString("utf8", 0, end) + CUT_MARKER;
}

/** The variables that tell an agent's process which task it works on. Empty without a task. */
export function createTaskEnvironment(task: AgentTask | null): Record<string, string> {
  if (task === null) return {};
  return {
    CANOPY_TASK_ID: fitVariable(task.taskId),
    CANOPY_TASK_TITLE: fitVariable(task.title),
    CANOPY_TASK_DESCRIPTION: fitVariable(task.description),
    CANOPY_SESSION_ID: fitVariable(task.sessionId),
    CANOPY_WORKSPACE: fitVariable(task.workspace),
    ...(task.labels === undefined ? {} : { CANOPY_TASK_LABELS: fitVariable(task.labels.join(",")) }),
    ...(task.attemptNumber === undefined ? {} : { CANOPY_ATTEMPT_NUMBER: String(task.attemptNumber) }),
  };
}
