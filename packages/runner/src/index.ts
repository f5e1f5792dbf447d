export type { FeatureCommandInput, JobSource, SubmitOutcome } from "./job-source.ts";
export type { RunnerLog } from "./runner-log.ts";
export { startRunner } from "./start-runner.ts";
export type { Runner, RunnerOptions } from "./start-runner.ts";
export { recoverAttempts } from "./attempts/recover-attempts.ts";
export type { RecoverContext } from "./attempts/recover-attempts.ts";
export { createBdTaskSource, probeBd } from "./task-sources/bd-task-source.ts";
export type { BdOptions } from "./task-sources/run-bd.ts";
export type {
  ClaimOutcome,
  NewSourceTask,
  SourceDependency,
  SourceDependencyKind,
  SourceTask,
  SourceTaskState,
  TaskSource,
} from "./task-sources/task-source.ts";
export { isConversational } from "./sessions/open-attempt-session.ts";
export { listAgentModels } from "./sessions/list-agent-models.ts";
export type { ModelQuestion } from "./sessions/list-agent-models.ts";
export { openAgentHomes } from "./sessions/agent-homes.ts";
export type { AgentHomes } from "./sessions/agent-homes.ts";
export type { HostedSession, SessionHost, SessionOpening, SessionPast } from "./sessions/session-host.ts";
