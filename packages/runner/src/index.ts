export type { FeatureCommandInput, JobSource, SubmitOutcome } from "./job-source.ts";
export type { RunnerLog } from "./runner-log.ts";
export { startRunner } from "./start-runner.ts";
export type { Runner, RunnerOptions } from "./start-runner.ts";
export { recoverAttempts } from "./attempts/recover-attempts.ts";
export type { RecoverContext } from "./attempts/recover-attempts.ts";
