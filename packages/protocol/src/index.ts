export { jsonSchema } from "./json.ts";
export type { Json } from "./json.ts";
export { ID_PREFIXES, brandId, createId, idSchema } from "./ids.ts";
export type {
  AttemptId,
  ChangeId,
  CommentId,
  EntryId,
  FeatureId,
  Id,
  IdKind,
  JobId,
  LandingId,
  ProjectId,
  PromptId,
  RunId,
  RunnerId,
  SessionId,
  TaskId,
  TurnId,
} from "./ids.ts";
export { CanopyError, ERROR_CODES, ERROR_EXIT_CODES, assert, isCanopyError, unreachable } from "./errors.ts";
export type { CanopyErrorOptions, ErrorCode } from "./errors.ts";
export { REJECTION_ERROR_CODES, reject, rejectionSchema } from "./rejection.ts";
export type { Rejection, RejectionCode } from "./rejection.ts";
export { CANOPY_VERSION, WIRE_VERSION } from "./version.ts";
export type { ChildProcessHandle, ProcessExit, SpawnOptions, SpawnProcess } from "./process.ts";
export {
  ZERO_USAGE,
  agentErrorKindSchema,
  agentEventSchema,
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
  ToolCall,
  TurnEndReason,
  Usage,
} from "./agent-event.ts";
