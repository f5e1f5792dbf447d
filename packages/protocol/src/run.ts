import { z } from "zod";
import { agentErrorKindSchema, usageSchema } from "./agent-event.ts";
import { idSchema } from "./ids.ts";
import { labelSchema, prioritySchema, taskTypeSchema } from "./task.ts";

/** Which ready tasks a run takes. Empty lists mean no restriction; `assignee` null means any. */
export const taskFilterSchema = z.strictObject({
  maxPriority: prioritySchema.nullable().default(null),
  types: z.array(taskTypeSchema).default([]),
  excludeTypes: z.array(taskTypeSchema).default(["epic"]),
  labels: z.array(labelSchema).default([]),
  /** Globs with `*`, so that `needs-*` hides what waits for a person. */
  excludeLabels: z.array(labelSchema).default(["needs-*"]),
  assignee: z.string().nullable().default(null),
  taskIds: z.array(idSchema("task")).default([]),
});

/** Causes of a failed attempt, each with its own retry policy. */
export const failureCauseSchema = z.enum([
  "rate-limit",
  "crash",
  "timeout",
  "killed",
  "no-op",
  "conflict",
  "validation",
  "interrupted",
  "workspace",
  "configuration",
  "claimed-elsewhere",
  "blocked",
  "question",
  "budget",
  "run-budget",
]);

/** How often and how soon one cause of failure is tried again. */
export const retryRuleSchema = z.strictObject({
  /** Retries, not tries: 0 means never again. Null means the run's own `maxRetries`. */
  limit: z.int().min(0).max(1000).nullable(),
  /** First pause; it doubles with every retry, and is spread by plus or minus half. */
  delayMs: z.int().min(0),
  maxDelayMs: z.int().min(0),
});

/** Caps on attempts at once, by task type and by label. */
export const capsSchema = z.strictObject({
  perType: z.record(z.string(), z.int().min(0)).default({}),
  perLabel: z.record(z.string(), z.int().min(0)).default({}),
});

/** Agents for a run's resolvers and repairers; what is left out comes from `[queue]`, else from who did the work. */
export const runRolesSchema = z.partialRecord(
  z.enum(["resolver", "repair"]),
  z.strictObject({
    agent: z.string().min(1).max(4000).nullable().default(null),
    model: z.string().min(1).max(200).nullable().default(null),
  }),
);

/** Everything that a run was asked to do, defaults filled in. */
export const runOptionsSchema = z.strictObject({
  concurrency: z.int().min(1).max(256).default(4),
  agent: z.string().min(1).max(4000),
  model: z.string().nullable().default(null),
  maxRetries: z.int().min(0).max(100).default(3),
  timeoutMs: z.int().positive().default(1_800_000),
  filter: taskFilterSchema.prefault({}),
  caps: capsSchema.prefault({}),
  watch: z.boolean().default(false),
  /** The user's branch that the integration branch follows, such as `main`. */
  baseBranch: z.string().min(1),
  /** The work tree that the run was started in: its configuration and ignored files count. Null: the project's own. */
  checkout: z.string().min(1).nullable().default(null),
  roles: runRolesSchema.default({}),
  /** Retry rules that differ from the defaults. */
  retries: z.partialRecord(failureCauseSchema, retryRuleSchema).default({}),
});

/** State of a run. `draining` starts nothing new, `stopping` also ends what runs. */
export const runStateSchema = z.enum(["running", "draining", "stopping", "completed", "cancelled"]);

/** Totals of a run, kept by the room. */
export const runTotalsSchema = z.object({
  attempts: z.int(),
  landed: z.int(),
  unchanged: z.int(),
  failed: z.int(),
  conflicted: z.int(),
  killed: z.int(),
  usage: usageSchema,
  /** Tool calls and answers. */
  steps: z.int().nonnegative().default(0),
});

/** The full value of a run. */
export const runSchema = z.object({
  runId: idSchema("run"),
  state: runStateSchema,
  options: runOptionsSchema,
  integrationRef: z.string(),
  startedBy: z.string(),
  startedAtMs: z.int(),
  finishedAtMs: z.int().nullable(),
  totals: runTotalsSchema,
});

/** State of an attempt. The last six are final. */
export const attemptStateSchema = z.enum([
  "queued",
  "running",
  "succeeded",
  "unchanged",
  "failed",
  "killed",
  "interrupted",
]);

/** Why an attempt did not succeed, in words for the next attempt's prompt and for people. */
export const failureSchema = z.object({
  cause: failureCauseSchema,
  message: z.string(),
  agentError: agentErrorKindSchema.nullable(),
  retryAfterMs: z.int().nonnegative().nullable(),
});

/** What was captured of an attempt's work: kept under `ref` until it lands or expires. */
export const captureSchema = z.object({
  ref: z.string(),
  commit: z.string(),
  tree: z.string(),
  filesChanged: z.int().nonnegative(),
  /** Scopes of the changed paths, as configured; null when they are in no scope or there are none. */
  scopes: z.array(z.string()).nullable().default(null),
});

/** The full value of one try of a task. A retry is a new attempt with its own id and record. */
export const attemptSchema = z.object({
  attemptId: idSchema("attempt"),
  taskId: idSchema("task"),
  runId: idSchema("run"),
  sessionId: idSchema("session"),
  /** 1 for the first try of this task ever, counted across runs. */
  number: z.int().positive(),
  role: z.enum(["worker", "resolver", "repair"]),
  /** The stuck change that it works on; null for work on the task itself. */
  ladder: z
    .object({ changeId: idSchema("change"), rung: z.enum(["hand-back", "resolver", "repair"]) })
    .nullable()
    .default(null),
  agent: z.string(),
  model: z.string().nullable(),
  state: attemptStateSchema,
  baseCommit: z.string().nullable(),
  workspaceBackend: z.string().nullable(),
  capture: captureSchema.nullable(),
  failure: failureSchema.nullable(),
  summary: z.string(),
  /** What its task waits for: it goes on in the same session when a person has answered. */
  parkedFor: idSchema("inquiry").nullable().default(null),
  /** Tool calls and answers. */
  steps: z.int().nonnegative().default(0),
  usage: usageSchema,
  queuedAtMs: z.int(),
  startedAtMs: z.int().nullable(),
  endedAtMs: z.int().nullable(),
});

/** A run's options, defaults filled in. */
export type RunOptions = z.infer<typeof runOptionsSchema>;
/** Which tasks a run takes. */
export type TaskFilter = z.infer<typeof taskFilterSchema>;
/** The full value of a run. */
export type Run = z.infer<typeof runSchema>;
/** Totals of a run. */
export type RunTotals = z.infer<typeof runTotalsSchema>;
/** The full value of an attempt. */
export type Attempt = z.infer<typeof attemptSchema>;
/** State of an attempt. */
export type AttemptState = z.infer<typeof attemptStateSchema>;
/** Cause of a failed attempt. */
export type FailureCause = z.infer<typeof failureCauseSchema>;
/** Why an attempt did not succeed. */
export type Failure = z.infer<typeof failureSchema>;
/** What was captured of an attempt's work. */
export type Capture = z.infer<typeof captureSchema>;
/** How one cause of failure is retried. */
export type RetryRule = z.infer<typeof retryRuleSchema>;
