import { z } from "zod";
import { attemptSchema, runRolesSchema, runSchema } from "./run.ts";
import { labelSchema, prioritySchema, taskSchema, taskTypeSchema } from "./task.ts";
import { conflictFileSchema } from "./change.ts";

/** What a person asks of a run; everything left out comes from the project's configuration. */
export const runRequestSchema = z.strictObject({
  /** A folder of the work tree whose branch is the base. */
  path: z.string().min(1),
  concurrency: z.int().min(1).max(256).optional(),
  agent: z.string().min(1).max(4000).optional(),
  model: z.string().min(1).max(200).optional(),
  maxRetries: z.int().min(0).max(100).optional(),
  timeoutMs: z.int().positive().optional(),
  maxPriority: prioritySchema.optional(),
  types: z.array(taskTypeSchema).optional(),
  excludeTypes: z.array(taskTypeSchema).optional(),
  labels: z.array(labelSchema).optional(),
  excludeLabels: z.array(labelSchema).optional(),
  assignee: z.string().min(1).optional(),
  /** Only these tasks: references as people type them. */
  tasks: z.array(z.string().min(1)).optional(),
  watch: z.boolean().optional(),
  roles: runRolesSchema.optional(),
});

/** What a run would do, without doing it. */
export const runPlanSchema = z.object({
  agent: z.string(),
  baseBranch: z.string(),
  integrationBranch: z.string(),
  ready: z.array(taskSchema),
  passedOver: z.array(z.object({ task: taskSchema, reason: z.string() })),
});

/** What a run was, with its attempts. */
export const runDetailSchema = z.object({ run: runSchema, attempts: z.array(attemptSchema) });

/** What the daemon says about itself. */
export const daemonStatusSchema = z.object({
  pid: z.int().positive(),
  version: z.string(),
  wireVersion: z.int(),
  startedAtMs: z.int(),
  uptimeMs: z.int().nonnegative(),
  port: z.int().nonnegative(),
  socketPath: z.string(),
  stateDirectory: z.string(),
  cacheDirectory: z.string(),
  memoryBytes: z.int().nonnegative(),
  activeRuns: z.int().nonnegative(),
  activeAttempts: z.int().nonnegative(),
  /** How many of the agents at work are at which level of the sandbox. */
  activeLevels: z.record(z.string(), z.int().nonnegative()).default({}),
  projects: z.array(z.object({ projectId: z.string(), name: z.string(), path: z.string() })),
});

/** What a person asks of a delivery. */
export const deliverRequestSchema = z.strictObject({
  path: z.string().min(1),
  /** Only say what would happen. */
  dryRun: z.boolean().default(false),
});

/** What came of a delivery. `blockers` say what stands in the way, each with what to do about it. */
export const deliverReportSchema = z.object({
  state: z.enum(["delivered", "nothing-to-deliver", "ready", "blocked"]),
  branch: z.string(),
  integrationBranch: z.string(),
  fromCommit: z.string().nullable(),
  toCommit: z.string().nullable(),
  commitCount: z.int().nonnegative(),
  blockers: z.array(z.object({ code: z.string(), message: z.string(), hint: z.string() })),
  conflicts: z.array(conflictFileSchema),
});

/** What a person asks of a run. */
export type RunRequest = z.infer<typeof runRequestSchema>;
/** What a run would do. */
export type RunPlan = z.infer<typeof runPlanSchema>;
/** What a run was. */
export type RunDetail = z.infer<typeof runDetailSchema>;
/** What the daemon says about itself. */
export type DaemonStatus = z.infer<typeof daemonStatusSchema>;
/** What a person asks of a delivery. */
export type DeliverRequest = z.infer<typeof deliverRequestSchema>;
/** What came of a delivery. */
export type DeliverReport = z.infer<typeof deliverReportSchema>;
