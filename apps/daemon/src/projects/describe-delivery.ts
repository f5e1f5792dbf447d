import type { DeliverReport } from "@canopy/protocol";
import type { DeliveryBlocker } from "@canopy/git";
import { describeBlocker } from "@canopy/git";

const HINTS: Readonly<Record<DeliveryBlocker["kind"], string>> = {
  "branch-missing": "check out the branch that should get the work, then: canopy deliver",
  "not-fast-forward":
    "merge the integration branch yourself, or run: canopy run, which takes your commits in first",
  "dirty-files": "commit or put away your changes in these files, then: canopy deliver",
  "untracked-files": "move these files away or commit them, then: canopy deliver",
  operation: "finish or abort it, then: canopy deliver",
  "index-locked": "wait for the other git command; if none runs, remove the lock file",
  "checked-out-twice": "check out another branch in all but one of them, then: canopy deliver",
};

/** A blocker as people read it. */
export function toReportBlocker(blocker: DeliveryBlocker): DeliverReport["blockers"][number] {
  return { code: blocker.kind, message: describeBlocker(blocker), hint: HINTS[blocker.kind] };
}
