import type { ProjectConfig } from "@canopy/protocol";
import { brandId } from "@canopy/protocol";
import type { Person, Repository } from "@canopy/git";
import type { StaleWorkspace } from "@canopy/workspace";
import { z } from "zod";
import type { JobSource } from "../job-source.ts";
import type { RunnerLog } from "../runner-log.ts";
import type { AgentHomes } from "../sessions/agent-homes.ts";
import { captureWorkspace } from "./capture-workspace.ts";
import { keepAttempt } from "./keep-attempt.ts";

/** What recovering needs. */
export interface RecoverContext {
  readonly source: JobSource;
  readonly repository: Repository;
  readonly person: Person | null;
  readonly policy: ProjectConfig["commits"];
  readonly homes?: AgentHomes;
  readonly log: RunnerLog;
  readonly now: () => number;
}

const noteSchema = z.object({
  version: z.literal(1),
  attemptId: z.string(),
  taskId: z.string(),
  sessionId: z.string(),
  title: z.string(),
  agent: z.string(),
  model: z.string().nullable(),
  askedBy: z.string(),
  parent: z.string().nullable().default(null),
  memory: z.array(z.string()).default([]),
});

/**
 * Captures what is in the workspaces of a dead daemon, adds it to their attempts, and removes them. One that cannot be
 * captured is left alone and logged. Returns how many were captured.
 */
export async function recoverAttempts(
  context: RecoverContext,
  stale: readonly StaleWorkspace[],
): Promise<number> {
  let capturedCount = 0;
  for (const workspace of stale) {
    try {
      if (workspace.isComplete && (await recoverOne(context, workspace))) capturedCount += 1;
      else await workspace.dispose();
    } catch (error) {
      context.log.error(
        { workspaceId: workspace.workspaceId, error },
        "a dead daemon's workspace could not be recovered",
      );
    }
  }
  return capturedCount;
}

async function recoverOne(context: RecoverContext, stale: StaleWorkspace): Promise<boolean> {
  const note = noteSchema.safeParse(stale.metadata);
  if (!note.success) return false;
  const label = {
    ...note.data,
    attemptId: brandId("attempt", note.data.attemptId),
    taskId: brandId("task", note.data.taskId),
    sessionId: brandId("session", note.data.sessionId),
  };
  const workspace = await stale.open();
  await context.homes?.keep(label.sessionId, workspace.homeDirectory, note.data.memory);
  const baseCommit = note.data.parent ?? workspace.commit;
  const capture = await captureWorkspace(context.repository, workspace);
  const kept = await keepAttempt({
    repository: context.repository,
    label,
    baseCommit,
    capture,
    person: context.person,
    policy: context.policy,
    nowMs: context.now(),
  });
  if (kept !== null) {
    await context.source.submit(
      { type: "attempt.recover", attemptId: label.attemptId, baseCommit, capture: kept },
      `recover:${label.attemptId}:${kept.commit}`,
    );
  }
  await workspace.dispose();
  return true;
}
