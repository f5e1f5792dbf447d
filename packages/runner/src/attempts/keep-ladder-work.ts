import type {
  AttemptJob,
  Capture as KeptCapture,
  Failure,
  LadderJob,
  LostLinesReport,
} from "@canopy/protocol";
import type { Capture, LostLines } from "@canopy/git";
import { findConflictMarkers, findLostLines } from "@canopy/git";
import { listBreaches, readMessage } from "../landing/build-stack.ts";
import { readScopes } from "../landing/read-scopes.ts";
import type { AttemptContext } from "./run-attempt.ts";
import { keepAttempt } from "./keep-attempt.ts";
import type { LadderPlan } from "./ladder-plan.ts";

/** What came of an agent's work on a stuck change. A failure says why it may not be used; it is kept all the same. */
export interface LadderWork {
  readonly kept: KeptCapture | null;
  readonly failure: Failure | null;
  readonly lost: readonly LostLinesReport[];
}

function fail(message: string): Failure {
  return { cause: "conflict", message, agentError: null, retryAfterMs: null };
}

function toReport({ path, lines, count }: LostLines): LostLinesReport {
  return { path, lines: [...lines], count };
}

/**
 * Keeps what an agent of the ladder did as one commit on what the change must get past, and judges it: markers left behind
 * or lines of others gone mean that it may not land.
 */
export async function keepLadderWork(
  context: AttemptContext,
  job: AttemptJob,
  work: { readonly ladder: LadderJob; readonly plan: LadderPlan; readonly capture: Capture },
): Promise<LadderWork> {
  const { repository } = context;
  const { ladder, plan, capture } = work;
  const message = await readMessage(repository, ladder.commit);
  const kept = await keepAttempt({
    repository,
    label: job,
    baseCommit: plan.parent,
    capture,
    person: context.person,
    policy: context.config.commits,
    nowMs: context.now(),
    scopes: await readScopes(repository, context.config, plan.parent),
    // The original's words without its trailers: this work has its own.
    text: message.split(/\n\nTask: /)[0]?.trim() ?? job.title,
  });
  const isSame = capture.tree === (await repository.readCommit(plan.start)).tree;
  if (isSame || kept === null) return { kept: null, failure: null, lost: [] };
  const marked = await findConflictMarkers(repository, capture.tree, plan.paths);
  if (marked.length > 0)
    return { kept, failure: fail(`conflict markers are left in ${marked.join(", ")}`), lost: [] };
  const lost = listBreaches(
    await findLostLines(repository, {
      base: ladder.baseCommit,
      tip: plan.parent,
      change: ladder.commit,
      candidate: kept.commit,
    }),
  ).map((item) => toReport(item));
  const files = lost.map(({ path }) => path).join(", ");
  const failure = lost.length === 0 ? null : fail(`lines that others added are gone from ${files}`);
  return { kept, failure, lost };
}
