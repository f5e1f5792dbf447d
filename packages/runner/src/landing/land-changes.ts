import type { LandItem, LandJob, LandOutcome, VerifyLandingJob } from "@canopy/protocol";
import { CanopyError, isCanopyError } from "@canopy/protocol";
import type { MergeEngine, Person, Repository, StackedChange, StackedResult } from "@canopy/git";
import { isAncestor, readRef, updateRefs, worktreesWithBranch } from "@canopy/git";
import type { SubmitOutcome } from "../job-source.ts";
import { commitPeople } from "./commit-identity.ts";
import type { GateContext, LandingPlan } from "./gate-landing.ts";
import { gateLanding } from "./gate-landing.ts";

/** What landing needs. */
export interface LandContext extends GateContext {
  readonly engine: MergeEngine;
  readonly person: Person | null;
  readonly now: () => number;
}

/** Failures that only a person can mend: the changes are blocked with the reason instead of being tried again. */
const HOPELESS: ReadonlySet<string> = new Set(["repository.branch-checked-out", "work.failed"]);

/** The lease under which a landing is reported. */
export interface Lease {
  readonly jobId: string;
  readonly fence: number;
}

/** The whole message of a commit, trailers included. */
async function readMessage(repository: Repository, commit: string): Promise<string> {
  const object = await repository.readObject(commit);
  if (object?.kind !== "commit") throw new CanopyError("git.failed", `commit ${commit} is gone`);
  const text = object.content.toString("utf8");
  return text.slice(text.indexOf("\n\n") + 2);
}

async function toStackedChange(context: LandContext, item: LandItem): Promise<StackedChange> {
  const people = commitPeople({
    policy: context.config.commits,
    person: context.person,
    askedBy: item.askedBy,
    agent: item.agent,
    model: item.model,
    nowMs: context.now(),
  });
  // The attempt's own commit has its message and trailers already.
  const message = await readMessage(context.repository, item.commit);
  return { change: item.commit, author: people.author, committer: people.committer, message };
}

function toOutcome(item: LandItem, result: StackedResult, tip: string): LandOutcome {
  const { changeId } = item;
  if (result.state === "clean") return { changeId, state: "merged", commit: result.commit };
  if (result.state === "empty") return { changeId, state: "contained", commit: tip };
  const conflicts = result.files.map((file) => ({ path: file.path, kind: file.kind }));
  const message = result.messages.join("\n").slice(0, 8000);
  return { changeId, state: "conflicted", conflicts, message };
}

async function requireFreeBranch(repository: Repository, integrationRef: string): Promise<void> {
  const branch = integrationRef.replace(/^refs\/heads\//, "");
  const [worktree] = await worktreesWithBranch(repository, branch);
  if (worktree === undefined) return;
  throw new CanopyError("repository.branch-checked-out", `${branch} is checked out in ${worktree}`, {
    hint: `check out another branch there, then: canopy queue retry`,
  });
}

function landingIdOf(outcome: SubmitOutcome): string | null {
  if (outcome.type === "rejection") throw new CanopyError("conflict", `${outcome.code}: ${outcome.message}`);
  const { result } = outcome;
  const id = typeof result === "object" && result !== null ? Reflect.get(result, "landingId") : null;
  return typeof id === "string" ? id : null;
}

/**
 * Lands changes: merged in order in the object database, the intent written down, the branch moved by compare-and-swap.
 * The user's checkout, index and HEAD are never read or written. Reports everything to the room, failures too.
 */
export async function landChanges(context: LandContext, lease: Lease, job: LandJob): Promise<void> {
  try {
    await tryLand(context, lease, job);
  } catch (error) {
    const isHopeless = isCanopyError(error) && HOPELESS.has(error.code);
    const hint = isCanopyError(error) && error.hint !== undefined ? ` (${error.hint})` : "";
    const reason = `${error instanceof Error ? error.message : String(error)}${hint}`;
    await context.source.submit(
      { type: "landing.fail", ...lease, reason, retry: !isHopeless },
      `fail:${lease.jobId}:${lease.fence}`,
    );
  }
}

async function tryLand(context: LandContext, lease: Lease, job: LandJob): Promise<void> {
  const { repository, source } = context;
  await requireFreeBranch(repository, job.integrationRef);
  const current = await readRef(repository, job.integrationRef);
  const tip = current ?? (await readRef(repository, `refs/heads/${job.baseBranch}`));
  if (tip === null) throw new CanopyError("git.failed", `there is no branch ${job.baseBranch} to land on`);
  const changes = await Promise.all(job.items.map((item) => toStackedChange(context, item)));
  const stack = await context.engine.buildStack(tip, changes);
  const plan = await gateLanding(context, lease, job, await planLanding(context, job, tip, stack.results));
  const followUp = plan.followUp === undefined ? {} : { followUp: plan.followUp };
  const intended = await source.submit(
    {
      type: "landing.intend",
      ...lease,
      oldCommit: current,
      newCommit: plan.newTip,
      outcomes: [...plan.outcomes],
      ...followUp,
    },
    `intend:${lease.jobId}:${lease.fence}`,
  );
  const landingId = landingIdOf(intended);
  if (landingId === null) return;
  const landed = await moveRef(repository, job.integrationRef, current, plan.newTip);
  await source.submit(
    { type: "landing.finish", ...lease, landingId, landed },
    `finish:${lease.jobId}:${lease.fence}`,
  );
}

async function planLanding(
  context: LandContext,
  job: LandJob,
  tip: string,
  results: readonly StackedResult[],
): Promise<LandingPlan> {
  const outcomes: LandOutcome[] = [];
  const trees = new Map<string, string>();
  let newTip = tip;
  for (const [index, item] of job.items.entries()) {
    const result = results[index];
    if (result === undefined) throw new CanopyError("internal", "the merge engine left out a change");
    outcomes.push(toOutcome(item, result, newTip));
    if (result.state !== "clean") continue;
    newTip = result.commit;
    trees.set(result.commit, result.tree);
  }
  const tipTree = (await context.repository.readCommit(tip)).tree;
  return { tip, tipTree, outcomes, trees, newTip };
}

async function moveRef(
  repository: Repository,
  ref: string,
  from: string | null,
  to: string,
): Promise<boolean> {
  if (from === to) return true;
  try {
    await updateRefs(repository, [{ ref, newCommit: to, oldCommit: from }]);
    return true;
  } catch (error) {
    if (isCanopyError(error) && error.code === "git.ref-moved") return false;
    throw error;
  }
}

/** After a crash between intent and end: reads the branch and says whether the landing happened. */
export async function verifyLanding(
  context: LandContext,
  lease: Lease,
  job: VerifyLandingJob,
): Promise<void> {
  const { repository, source } = context;
  const { landing } = job;
  try {
    const current = await readRef(repository, landing.integrationRef);
    const landed = current !== null && (await isAncestor(repository, landing.newCommit, current));
    await source.submit(
      { type: "landing.finish", ...lease, landingId: landing.landingId, landed },
      `verify:${lease.jobId}:${lease.fence}`,
    );
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    await source.submit(
      { type: "landing.fail", ...lease, reason, retry: true },
      `verify-fail:${lease.jobId}:${lease.fence}`,
    );
  }
}
