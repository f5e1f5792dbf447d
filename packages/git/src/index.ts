export { readRepositoryIdentity, requireBranch, requireWritable } from "./repository-identity.ts";
export type { RepositoryIdentity } from "./repository-identity.ts";
export { Repository, openRepository } from "./repository.ts";
export type { RepositoryLocation } from "./repository.ts";
export type { CheckoutSettings, Person } from "./checkout-settings.ts";
export type { ObjectFormat } from "./git-object.ts";
export { createGitEnvironment } from "./run-git.ts";
export { advanceCheckout, describeMonitor, materializeCommit, primeCheckout } from "./materialize-commit.ts";
export type { AdvanceOptions, CheckoutMonitor, MaterializeOptions } from "./materialize-commit.ts";
export type { AgentCommit, Capture, ChangeKind, ChangedPath } from "./capture-result.ts";
export { captureUpper } from "./capture-upper.ts";
export type { CaptureUpperOptions } from "./capture-upper.ts";
export { captureTree, listChanges } from "./capture-tree.ts";
export type { CaptureTreeOptions } from "./capture-tree.ts";
export { formatCommitMessage, writeCommit } from "./write-commit.ts";
export type { CommitInput, Signature, Trailer } from "./write-commit.ts";
export {
  ATTEMPT_REF_PREFIX,
  BASE_REF_PREFIX,
  CHECKPOINT_REF_PREFIX,
  COMMITS_REF_PREFIX,
  FAILED_REF_PREFIX,
  RESOLVED_REF_PREFIX,
  isAncestor,
  listRefs,
  listWorktrees,
  readRef,
  updateRefs,
  worktreesWithBranch,
} from "./refs.ts";
export type { RefUpdate, RefValue, WorktreeInfo } from "./refs.ts";
export { openMergeEngine } from "./merge-engine.ts";
export type { MergeEngine } from "./merge-engine.ts";
export type { MergeRequest } from "./merge-commits.ts";
export type { MergeEvidence, Stack, StackedChange, StackedResult, Strategy } from "./stack-result.ts";
export { readAgentCommits } from "./agent-commits.ts";
export { readCommitDetails } from "./read-commit-details.ts";
export type { CommitDetails } from "./read-commit-details.ts";
export type { Overlap, ProbeRequest } from "./probe-overlap.ts";
export type { ConflictKind, ConflictStage, ConflictedFile, MergeResult } from "./merge-result.ts";
export { deliverFastForward, describeBlocker, planDelivery } from "./plan-delivery.ts";
export type { DeliveryBlocker, DeliveryPlan, DeliveryRequest, OngoingOperation } from "./plan-delivery.ts";
export { syncBase } from "./sync-base.ts";
export type { SyncBaseRequest, SyncBaseResult } from "./sync-base.ts";
export { snapshotCheckout } from "./snapshot-checkout.ts";
export type { CheckoutSnapshot } from "./snapshot-checkout.ts";
export { findLostLines } from "./find-lost-lines.ts";
export type { LostLines, LostLinesRequest } from "./find-lost-lines.ts";
export { readConflict } from "./read-conflict.ts";
export type { Conflict, ConflictSide, ConflictedMerge } from "./read-conflict.ts";
export { applyChoices } from "./apply-choices.ts";
export type { ChoiceResult, ConflictChoice, TakenSide } from "./apply-choices.ts";
export { findConflictMarkers } from "./find-conflict-markers.ts";
export { writeConflictCommit } from "./write-conflict-commit.ts";
export type { ConflictCommitInput } from "./write-conflict-commit.ts";
export { scopesOf } from "./scopes.ts";
export type { ScopeRule } from "./scopes.ts";
export { restrictTree } from "./restrict-tree.ts";
export { readWorkspacePackages } from "./read-workspace-packages.ts";
export { keepFailed, listFailed } from "./keep-failed.ts";
export type { FailedCandidate } from "./keep-failed.ts";
export { exportPatch } from "./export-patch.ts";
export type { PatchRequest } from "./export-patch.ts";
export { expireRefs } from "./expire-refs.ts";
export type { ExpireRequest, ExpiredRef, ExpiryRule } from "./expire-refs.ts";
export { readTreeFile } from "./read-tree-file.ts";
export type { TreeFile } from "./read-tree-file.ts";
