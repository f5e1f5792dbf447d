import { z } from "zod";
import { captureSchema, failureSchema } from "./run.ts";
import { usageSchema } from "./agent-event.ts";
import { conflictFileSchema, landingSchema } from "./change.ts";
import { idSchema } from "./ids.ts";

/** Work for one attempt: make a workspace at the integration branch's tip, run the agent, capture. */
export const attemptJobSchema = z.object({
  kind: z.literal("attempt"),
  attemptId: idSchema("attempt"),
  attemptNumber: z.int().positive(),
  runId: idSchema("run"),
  taskId: idSchema("task"),
  sessionId: idSchema("session"),
  title: z.string(),
  description: z.string(),
  labels: z.array(z.string()),
  /** The whole prompt, earlier failures included. */
  prompt: z.string(),
  agent: z.string(),
  model: z.string().nullable(),
  timeoutMs: z.int().positive(),
  integrationRef: z.string(),
  baseBranch: z.string(),
  /** The work tree whose configuration and ignored files count; null means the project's own. */
  checkout: z.string().nullable(),
  /** Who started the run. */
  askedBy: z.string(),
});

/** One change to land. */
export const landItemSchema = z.object({
  changeId: idSchema("change"),
  taskId: idSchema("task"),
  attemptId: idSchema("attempt"),
  sessionId: idSchema("session"),
  commit: z.string(),
  title: z.string(),
  agent: z.string(),
  model: z.string().nullable(),
  /** Who asked for the work: becomes the author when the repository names nobody. */
  askedBy: z.string(),
});

/** Work for one landing: merge the items in order onto the integration branch, in the object database. */
export const landJobSchema = z.object({
  kind: z.literal("land"),
  integrationRef: z.string(),
  baseBranch: z.string(),
  checkout: z.string().nullable(),
  items: z.array(landItemSchema),
});

/** Work after a crash in the middle of a landing: read the ref and say whether the landing happened. */
export const verifyLandingJobSchema = z.object({ kind: z.literal("verify-landing"), landing: landingSchema });

/** What a job asks for. */
export const jobPayloadSchema = z.discriminatedUnion("kind", [
  attemptJobSchema,
  landJobSchema,
  verifyLandingJobSchema,
]);

/** State of a job. */
export const jobStateSchema = z.enum(["queued", "leased", "completed", "cancelled"]);

/**
 * The full value of a job. `fence` grows with every lease; a result with an old one is refused. What the runner needs
 * to know is put together from `subjectIds` (an attempt, changes, or a landing) when the job is leased.
 */
export const jobSchema = z.object({
  jobId: idSchema("job"),
  kind: z.enum(["attempt", "land", "verify-landing"]),
  state: jobStateSchema,
  subjectIds: z.array(z.string()).min(1),
  runnerId: idSchema("runner").nullable(),
  fence: z.int().nonnegative(),
  /** Set when a person or the room asked for the work to end early. */
  cancelRequested: z.enum(["kill", "stop"]).nullable(),
  queuedAtMs: z.int(),
});

/** A job as its runner gets it. */
export const leasedJobSchema = z.object({ job: jobSchema, payload: jobPayloadSchema });

/** How an attempt ended, as its runner saw it. */
export const attemptResultSchema = z.object({
  outcome: z.enum(["succeeded", "unchanged", "failed", "killed", "interrupted"]),
  baseCommit: z.string().nullable(),
  capture: captureSchema.nullable(),
  failure: failureSchema.nullable(),
  summary: z.string().max(20_000),
  usage: usageSchema,
});

/** How one item of a landing came out of the merge. */
export const landOutcomeSchema = z.discriminatedUnion("state", [
  z.object({ changeId: idSchema("change"), state: z.literal("merged"), commit: z.string() }),
  z.object({ changeId: idSchema("change"), state: z.literal("contained"), commit: z.string() }),
  /** It broke the validation of everything that lands before it. */
  z.object({ changeId: idSchema("change"), state: z.literal("failing"), message: z.string() }),
  z.object({
    changeId: idSchema("change"),
    state: z.literal("conflicted"),
    conflicts: z.array(conflictFileSchema),
    message: z.string(),
  }),
]);

/** Work for one attempt. */
export type AttemptJob = z.infer<typeof attemptJobSchema>;
/** Work for one landing. */
export type LandJob = z.infer<typeof landJobSchema>;
/** One change to land. */
export type LandItem = z.infer<typeof landItemSchema>;
/** Work after a crash in the middle of a landing. */
export type VerifyLandingJob = z.infer<typeof verifyLandingJobSchema>;
/** What a job asks for. */
export type JobPayload = z.infer<typeof jobPayloadSchema>;
/** The full value of a job. */
export type Job = z.infer<typeof jobSchema>;
/** A job as its runner gets it. */
export type LeasedJob = z.infer<typeof leasedJobSchema>;
/** How an attempt ended. */
export type AttemptResult = z.infer<typeof attemptResultSchema>;
/** How one item of a landing came out of the merge. */
export type LandOutcome = z.infer<typeof landOutcomeSchema>;
