export { agentModelListSchema, agentModelSchema } from "./agent-models.ts";
export type { AgentModel, AgentModelList } from "./agent-models.ts";
export {
  forkCommandSchemas,
  forkJobSchema,
  forkPointSchema,
  forkRequestSchema,
  taskForkSchema,
} from "./fork.ts";
export type { ForkJob, ForkPoint, TaskFork } from "./fork.ts";
export {
  MAX_IMAGES,
  MAX_IMAGE_BYTES,
  detectImageType,
  imageSchema,
  imageTypeSchema,
  imagesSchema,
  newImageSchema,
} from "./image.ts";
export type { Image, ImageType } from "./image.ts";
export { jsonSchema } from "./json.ts";
export type { Json } from "./json.ts";
export { ID_PREFIXES, brandId, createId, idSchema } from "./ids.ts";
export type {
  AttemptId,
  ChangeId,
  ClaimId,
  CommentId,
  EntryId,
  FeatureId,
  Id,
  IdKind,
  InquiryId,
  JobId,
  LandingId,
  MessageId,
  ProjectId,
  PromptId,
  RunId,
  RunnerId,
  SessionId,
  TaskId,
  TicketId,
  TurnId,
  WaitId,
} from "./ids.ts";
export { CanopyError, ERROR_CODES, ERROR_EXIT_CODES, assert, isCanopyError, unreachable } from "./errors.ts";
export type { CanopyErrorOptions, ErrorCode } from "./errors.ts";
export { REJECTION_ERROR_CODES, reject, rejectionSchema } from "./rejection.ts";
export type { Rejection, RejectionCode } from "./rejection.ts";
export { CANOPY_VERSION, WIRE_VERSION } from "./version.ts";
export type { ChildProcessHandle, ProcessExit, SpawnOptions, SpawnProcess } from "./process.ts";
export { addUsage } from "./add-usage.ts";
export {
  ZERO_USAGE,
  agentErrorKindSchema,
  agentEventSchema,
  subAgentSchema,
  isLiveOnly,
  permissionOptionSchema,
  toolCallSchema,
  toolDiffSchema,
  toolKindSchema,
  turnEndReasonSchema,
  usageSchema,
} from "./agent-event.ts";
export type {
  AgentErrorKind,
  AgentEvent,
  PermissionOption,
  SubAgent,
  ToolCall,
  TurnEndReason,
  Usage,
} from "./agent-event.ts";
export { SYSTEM_ACTOR, actorSchema, commandEnvelopeSchema, eventEnvelopeSchema } from "./envelope.ts";
export type { Actor, EventEnvelope } from "./envelope.ts";
export {
  MAX_DESCRIPTION_CHARS,
  MAX_TITLE_CHARS,
  commentSchema,
  dependencyKindSchema,
  dependencySchema,
  labelSchema,
  newTaskSchema,
  prioritySchema,
  taskClaimSchema,
  taskPatchSchema,
  taskSchema,
  taskStatusSchema,
  taskTypeSchema,
} from "./task.ts";
export type {
  Comment,
  Dependency,
  DependencyKind,
  NewTask,
  NewTaskInput,
  Task,
  TaskPatch,
  TaskStatus,
} from "./task.ts";
export {
  attemptSchema,
  attemptStateSchema,
  capsSchema,
  captureSchema,
  failureCauseSchema,
  failureSchema,
  retryRuleSchema,
  runOptionsSchema,
  runRolesSchema,
  runSchema,
  runStateSchema,
  runTotalsSchema,
  taskFilterSchema,
} from "./run.ts";
export type {
  Attempt,
  AttemptState,
  Capture,
  Failure,
  FailureCause,
  RetryRule,
  Run,
  RunOptions,
  RunTotals,
  TaskFilter,
} from "./run.ts";
export {
  changeSchema,
  changeStateSchema,
  changeWorkSchema,
  conflictFileSchema,
  ladderRungSchema,
  ladderStepSchema,
  landingSchema,
  lostLinesSchema,
} from "./change.ts";
export type {
  Change,
  ChangeState,
  ChangeWork,
  ConflictFile,
  LadderRung,
  LadderStep,
  Landing,
  LostLinesReport,
} from "./change.ts";
export {
  buildOutcomeSchema,
  candidateSchema,
  flakyStepSchema,
  overlapSchema,
  queuePauseSchema,
  queuePolicySchema,
  rungBudgetSchema,
  stackSchema,
  trialSchema,
} from "./queue.ts";
export type {
  BuildOutcome,
  Candidate,
  FlakyStep,
  Overlap,
  QueuePause,
  QueuePolicy,
  RungBudget,
  Stack,
  Trial,
} from "./queue.ts";
export {
  promptSchema,
  sessionSchema,
  sessionStateSchema,
  transcriptEntrySchema,
  turnSchema,
} from "./session.ts";
export type { Prompt, Session, SessionState, TranscriptEntry, Turn } from "./session.ts";
export {
  attemptJobSchema,
  attemptResultSchema,
  jobPayloadSchema,
  jobSchema,
  jobStateSchema,
  landItemSchema,
  buildJobSchema,
  continuedAttemptSchema,
  spentSchema,
  jobKindSchema,
  ladderJobSchema,
  leasedJobSchema,
  moveJobSchema,
  regenerateJobSchema,
  regeneratedSchema,
  validateJobSchema,
} from "./job.ts";
export type {
  AttemptJob,
  AttemptResult,
  Job,
  JobPayload,
  BuildJob,
  ContinuedAttempt,
  Spent,
  LadderJob,
  LandItem,
  LeasedJob,
  MoveJob,
  RegenerateJob,
  Regenerated,
  ValidateJob,
} from "./job.ts";
export {
  projectCommandSchema,
  runCommandSchemas,
  runnerCommandSchemas,
  taskCommandSchemas,
  taskReferenceSchema,
} from "./project-commands.ts";
export type { ProjectCommand, ProjectCommandInput } from "./project-commands.ts";
export { holdSchema, projectEventSchema, projectStateSchema } from "./project-events.ts";
export type { Hold, ProjectEvent, ProjectState } from "./project-events.ts";
export {
  featureCommandSchema,
  featureEventSchema,
  featureStateSchema,
  liveDeltaSchema,
} from "./feature-room.ts";
export type { FeatureCommand, FeatureEvent, FeatureState, LiveDelta } from "./feature-room.ts";
export {
  contextCommandSchemas,
  contextEntrySchema,
  contextEventSchemas,
  contextKindSchema,
} from "./context.ts";
export type { ContextEntry } from "./context.ts";
export type { CheckResult, FinishNote, WorkspaceTools } from "./workspace-tools.ts";
export { inquiryCommandSchemas, inquiryEventSchemas, inquiryKindSchema, inquirySchema } from "./inquiry.ts";
export type { Inquiry } from "./inquiry.ts";
export { budgetConfigSchema, budgetLimitsSchema, providerConfigSchema } from "./budget-config.ts";
export type { BudgetConfig } from "./budget-config.ts";
export { permissionConfigSchema } from "./permission-config.ts";
export type { PermissionConfig } from "./permission-config.ts";
export { sandboxRefusalSchema } from "./sandbox-refusal.ts";
export type { SandboxRefusal } from "./sandbox-refusal.ts";
export { answerSchemas, notRunningReasonSchema, projectStatsSchema, taskDetailSchema } from "./answers.ts";
export type { Answer, AnswerName, NotRunning } from "./answers.ts";
export { nodeCommandSchema, nodeEventSchema, projectSchema } from "./node-room.ts";
export type { NodeCommand, NodeEvent, Project } from "./node-room.ts";
export {
  activitySchema,
  clientFrameSchema,
  roomAddressSchema,
  serverFrameSchema,
  wireErrorSchema,
} from "./wire.ts";
export type { Activity, ClientFrame, ServerFrame, WireError } from "./wire.ts";
export { validationSchema, validationStepResultSchema } from "./validation.ts";
export type { Validation, ValidationStepResult } from "./validation.ts";
export { agentConfigSchema, agentConfigsSchema, projectConfigSchema } from "./config.ts";
export { durationSchema, parseDurationMs } from "./duration.ts";
export { queueConfigSchema } from "./queue-config.ts";
export type { AgentConfig, ProjectConfig } from "./config.ts";
export { parseSizeBytes, sandboxConfigSchema, sizeSchema } from "./sandbox-config.ts";
export type { SandboxConfig, SandboxRole } from "./sandbox-config.ts";
export {
  daemonStatusSchema,
  deliverReportSchema,
  deliverRequestSchema,
  runDetailSchema,
  runPlanSchema,
  runRequestSchema,
} from "./requests.ts";
export type {
  DaemonStatus,
  DeliverReport,
  DeliverRequest,
  RunDetail,
  RunPlan,
  RunRequest,
} from "./requests.ts";
export {
  changeConflictSchema,
  conflictChoiceSchema,
  conflictDetailSchema,
  conflictVersionSchema,
  fileContentSchema,
  keptPatchSchema,
  landedIntentSchema,
  queueAnswerSchemas,
  queueViewSchema,
  resolutionSchema,
  resolveRequestSchema,
} from "./queue-answers.ts";
export type {
  ChangeConflict,
  ConflictDetail,
  FileContent,
  KeptPatch,
  LandedIntent,
  QueueView,
  Resolution,
  ResolveInput,
  ResolveRequest,
} from "./queue-answers.ts";
export {
  blockerSchema,
  claimAnswerSchema,
  claimModeSchema,
  claimSchema,
  coordinationStateSchema,
  editAnswerSchema,
  editTargetSchema,
  enforcementSchema,
  feedItemSchema,
  messageKindSchema,
  messageSchema,
  presenceSchema,
  processAnchorSchema,
  targetSchema,
  waitConditionSchema,
  waitSchema,
} from "./coordination.ts";
export type {
  Blocker,
  Claim,
  ClaimAnswer,
  ClaimEnd,
  ClaimMode,
  CoordinationState,
  Delivery,
  EditAnswer,
  EditTarget,
  Enforcement,
  FeedItem,
  LeafCondition,
  MergeRisk,
  Message,
  MessageKind,
  Presence,
  ProcessAnchor,
  SessionChild,
  Target,
  Ticket,
  TicketEnd,
  Touch,
  Wait,
  WaitCondition,
  Yield,
} from "./coordination.ts";
export {
  MAX_MESSAGE_CHARS,
  MAX_STATUS_CHARS,
  coordinationCommandSchemas,
  sessionReferenceSchema,
} from "./coordination-commands.ts";
export { coordinationConfigSchema } from "./coordination-config.ts";
export type { CoordinationConfig } from "./coordination-config.ts";
export {
  actingAsSchema,
  coordinationActionSchema,
  coordinationRequestSchema,
} from "./coordination-requests.ts";
export type {
  ActingAs,
  CoordinationAction,
  CoordinationRequest,
  CoordinationRequestInput,
} from "./coordination-requests.ts";
export { boardRequestSchema, boardSchema, issueExtrasSchema, issueRecordSchema } from "./board.ts";
export type {
  Board,
  BoardIssue,
  BoardRequestInput,
  IssueComment,
  IssueExtras,
  IssueLink,
  IssuePatch,
  IssueRecord,
} from "./board.ts";
