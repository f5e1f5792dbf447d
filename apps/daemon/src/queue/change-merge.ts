import type { Attempt, Change, Task } from "@canopy/protocol";
import { CanopyError } from "@canopy/protocol";
import { selectAttempt, selectChange, selectRun, selectTask } from "@canopy/core";
import type { RoomHandle } from "@canopy/core";
import type { MergeResult, Repository } from "@canopy/git";
import { openMergeEngine, readRef } from "@canopy/git";

/** A project as the queue's commands need it. */
export interface QueueProject {
  readonly room: RoomHandle;
  readonly repository: Repository;
}

/** A change with what it belongs to. */
export interface ChangeContext {
  readonly change: Change;
  readonly task: Task | undefined;
  readonly attempt: Attempt | undefined;
  /** The commit of the branch that it lands on. */
  readonly tip: string;
}

/** A change merged with its branch as it is now. */
export interface ChangeMerge extends ChangeContext {
  readonly merge: MergeResult;
}

/** Finds a change and its branch's tip. Throws `thing.not-found`, or `git.failed` when the branch is gone. */
export async function readChangeContext(project: QueueProject, changeId: string): Promise<ChangeContext> {
  const found = project.room.read((sql) => {
    const change = selectChange(sql, changeId);
    if (change === undefined) return null;
    return {
      change,
      task: selectTask(sql, change.taskId),
      attempt: selectAttempt(sql, change.attemptId),
      baseBranch: selectRun(sql, change.runId)?.options.baseBranch,
    };
  });
  if (found === null) throw new CanopyError("thing.not-found", `no change ${changeId}`);
  const { change, baseBranch, ...rest } = found;
  const landed = await readRef(project.repository, change.integrationRef);
  const tip = landed ?? (await readRef(project.repository, `refs/heads/${baseBranch ?? ""}`));
  if (tip === null) throw new CanopyError("git.failed", `there is no branch ${change.integrationRef}`);
  return { change, ...rest, tip };
}

/** Merges a change with its branch as it is now; writes objects, and moves nothing. */
export async function mergeChange(project: QueueProject, changeId: string): Promise<ChangeMerge> {
  const context = await readChangeContext(project, changeId);
  const engine = openMergeEngine(project.repository);
  const merge = await engine.mergeCommit({ tip: context.tip, change: context.change.commit });
  return { ...context, merge };
}
