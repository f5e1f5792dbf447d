export type { Migration, RoomStorage, Sql, SqlRow, SqlValue, Synchronous } from "./kernel/sql.ts";
export {
  applyMigrations,
  parseColumn,
  readNumber,
  readNumberOrNull,
  readText,
  readTextOrNull,
} from "./kernel/sql.ts";
export { createRandom } from "./kernel/random.ts";
export { accept, acceptOnce } from "./kernel/room-definition.ts";
export type {
  DecideAnswer,
  DecideContext,
  Deciders,
  EventPosition,
  ParsedCommand,
  Projections,
  RoomDefinition,
  RoomFeature,
  Typed,
} from "./kernel/room-definition.ts";
export { clearTimer, selectNextDueMs, setTimer } from "./kernel/timers.ts";
export { deleteAnswersBefore, selectPresence } from "./kernel/journal.ts";
export type { SubmitAnswer } from "./kernel/journal.ts";
export { ANSWER_RETENTION_MS, Room } from "./kernel/room.ts";
export type { EventListener, Submission } from "./kernel/room.ts";
export { pumpLink } from "./kernel/links.ts";
export type { LinkDefinition, LinkPorts, LinkedCommand } from "./kernel/links.ts";
export type { LiveMessage, RoomHandle, RoomHost, RoomSubscriber } from "./kernel/room-host.ts";
export { projectRoom } from "./rooms/project-room.ts";
export { featureRoom } from "./rooms/feature-room.ts";
export { nodeRoom } from "./rooms/node-room.ts";
export { createSessionLink, openSessionKey } from "./rooms/session-link.ts";
export { selectProjectState, selectTaskDetail } from "./rooms/select-project-state.ts";
export type { TaskDetail } from "./rooms/select-project-state.ts";
export { percentile, selectProjectStats } from "./rooms/select-project-stats.ts";
export type { ProjectStats } from "./rooms/select-project-stats.ts";
export { selectProject, selectProjects } from "./projects/project-list-feature.ts";
export {
  selectFeatureSession,
  selectFeatureState,
  selectPrompts,
  selectQueuedPrompt,
  selectTranscript,
} from "./turns/turn-feature.ts";
export { buildSystemText } from "./context/build-system-text.ts";
export { selectLastEndedTurn, selectOrigin, selectPast } from "./turns/select-past.ts";
export type { PastLine } from "./turns/select-past.ts";
export { selectInquiries, selectInquiry, selectOpenInquiries } from "./inquiries/inquiry-feature.ts";
export { describeAnswer } from "./tasks/build-prompt.ts";
export { selectContext } from "./context/context-feature.ts";
export { GENERAL_FEATURE_ID, selectSession, selectSessions } from "./sessions/session-feature.ts";
export { selectPrefix } from "./board/board-rows.ts";
export { selectBoard } from "./board/select-board.ts";
export type { BoardQuery } from "./board/select-board.ts";
export { resolveTask } from "./tasks/resolve-task.ts";
export type { ResolvedTask } from "./tasks/resolve-task.ts";
export {
  selectComments,
  selectDependencies,
  selectDependenciesOf,
  selectDependentsOf,
  selectOpenBlockers,
  selectReadyTasks,
  selectTask,
  selectTasks,
} from "./tasks/select-tasks.ts";
export type { TaskQuery } from "./tasks/select-tasks.ts";
export {
  selectActiveAttempts,
  selectActiveRuns,
  selectAttempt,
  selectAttemptsOfRun,
  selectAttemptsOfTask,
  selectHolds,
  selectRun,
  selectRuns,
} from "./runs/run-rows.ts";
export { integrationRefOf } from "./runs/decide-run.ts";
export {
  selectChange,
  selectChanges,
  selectChangesByState,
  selectQueuePause,
} from "./merge-queue/change-rows.ts";
export { selectCandidates } from "./schedule/schedule-feature.ts";
export { selectWhyNotRunning } from "./schedule/why-not-running.ts";
export type { NotRunningReason } from "./schedule/why-not-running.ts";
export { DEFAULT_RETRY_RULES, decideRetry } from "./schedule/retry-policy.ts";
export { selectJobs } from "./jobs/job-feature.ts";
export { featureRoomAddress, projectRoomAddress } from "./rooms/room-address.ts";
export { explainFilter } from "./schedule/task-filter.ts";
export { selectQueuePauses, selectValidation } from "./merge-queue/change-rows.ts";
export { selectFlakySteps, selectOverlaps, selectStacks, selectTrials } from "./merge-queue/stack-rows.ts";
export { selectQueueOrder } from "./merge-queue/take-queued.ts";
export {
  selectClaims,
  selectClaimsOf,
  selectTicket,
  selectTickets,
  selectTouchesOf,
  selectTouchesSince,
} from "./claims/claim-rows.ts";
export { MAX_CLAIMS_PER_MINUTE } from "./claims/decide-claim.ts";
export { describeBlocker, describeMs } from "./claims/describe-blocker.ts";
export { findBlockers, findRisks } from "./claims/find-blockers.ts";
export { RESERVE_MS } from "./claims/grant-claims.ts";
export { listParents, targetCovers, targetsOverlap } from "./claims/targets-overlap.ts";
export { composeRefusal } from "./mail/compose-digest.ts";
export {
  selectMailOf,
  selectMessage,
  selectMessagesByReference,
  selectRecentMessages,
  selectThread,
  selectUnacknowledged,
  selectUntold,
} from "./mail/mail-rows.ts";
export { neutralise, shorten } from "./mail/neutralise.ts";
export { selectFeedAfter, selectLastFeedSeq } from "./presence/feed-rows.ts";
export type { PresentSession } from "./presence/presence-rows.ts";
export {
  handleOf,
  isFinished,
  isLive,
  selectByNativeId,
  selectByReference,
  selectLiveSessions,
  selectPresent,
} from "./presence/presence-rows.ts";
export { selectPendingWaits, selectUntoldWaits, selectWait } from "./waits/wait-rows.ts";
