import { z } from "zod";
import { captureSchema, failureSchema } from "./run.ts";
import { usageSchema } from "./agent-event.ts";
import { landingSchema, lostLinesSchema } from "./change.ts";
import { forkJobSchema } from "./fork.ts";
import { idSchema } from "./ids.ts";
import { imagesSchema } from "./image.ts";
import { trialSchema } from "./queue.ts";

/** What an attempt of the ladder starts from: the change as it is, and the branch's commit that it must get past. */
export const ladderJobSchema = z.object({
  rung: z.enum(["hand-back", "resolver", "repair"]),
  changeId: idSchema("change"),
  commit: z.string(),
  baseCommit: z.string(),
  tip: z.string(),
  /** Which try of this rung it is, from 1. */
  tryNumber: z.int().positive(),
  /** What earlier tries of the ladder came to, oldest first. */
  earlier: z.array(z.string()),
  /** What the validation printed, for a repair. */
  validationOutput: z.string(),
});

/** The attempt that an attempt goes on with: same session, and its files as they were left. */
export const continuedAttemptSchema = z.object({
  attemptId: idSchema("attempt"),
  /** What it began with, and what it had done so far; null when nothing was captured. */
  work: z.object({ baseCommit: z.string(), commit: z.string() }).nullable(),
  /** What the agent is told instead of the whole prompt. */
  prompt: z.string(),
});

/** What was spent on something before this attempt. Steps are tool calls and answers. */
export const spentSchema = z.object({
  usage: usageSchema,
  steps: z.int().nonnegative(),
  timeMs: z.int().nonnegative(),
});

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
  images: imagesSchema.optional(),
  agent: z.string(),
  model: z.string().nullable(),
  timeoutMs: z.int().positive(),
  integrationRef: z.string(),
  baseBranch: z.string(),
  /** The work tree whose configuration and ignored files count; null means the project's own. */
  checkout: z.string().nullable(),
  /** Who started the run. */
  askedBy: z.string(),
  /** Set when the attempt is to get a stuck change past what stands in its way. */
  ladder: ladderJobSchema.nullable(),
  /** Set when the session goes on where an earlier attempt of it was cut off. */
  continues: continuedAttemptSchema.nullable().default(null),
  /** Set when the session begins with another's conversation. */
  forkOf: forkJobSchema.nullable().default(null),
  /** What finished attempts have spent; `grants` is how often a person let this task go on beyond its budget. */
  spent: z
    .object({
      session: spentSchema,
      task: spentSchema,
      run: spentSchema,
      day: spentSchema,
      grants: z.int().nonnegative(),
    })
    .nullable()
    .default(null),
});

/** One change to land. */
export const landItemSchema = z.object({
  changeId: idSchema("change"),
  taskId: idSchema("task"),
  attemptId: idSchema("attempt"),
  sessionId: idSchema("session"),
  commit: z.string(),
  baseCommit: z.string(),
  title: z.string(),
  agent: z.string(),
  model: z.string().nullable(),
  /** Who asked for the work: becomes the author when the repository names nobody. */
  askedBy: z.string(),
  /** A person accepted that lines of others go away. */
  isLossAccepted: z.boolean(),
});

/**
 * Work for one lane: merge the items in order onto `onto` (null: the branch's tip), in the object database. `tip` is where
 * the lane's stack stands; when the branch is elsewhere by now nothing is built and only that is reported.
 */
export const buildJobSchema = z.object({
  kind: z.literal("build"),
  integrationRef: z.string(),
  baseBranch: z.string(),
  checkout: z.string().nullable(),
  lane: z.string(),
  scopes: z.array(z.string()).nullable(),
  tip: z.string().nullable(),
  onto: z.string().nullable(),
  items: z.array(landItemSchema),
});

/** Work for one validation: the candidate of a lane in a workspace of its own. */
export const validateJobSchema = z.object({ kind: z.literal("validate"), trial: trialSchema });

/**
 * Work for one landing: read the ref; when it is at the new commit or beyond it the landing has happened, when it is at the
 * old one move it by compare-and-swap, else nothing landed. Safe to repeat.
 */
export const moveJobSchema = z.object({
  kind: z.literal("move"),
  checkout: z.string().nullable(),
  landing: landingSchema,
});

/** Work for a conflict in generated files only: merge, take the branch's version of them, and run their commands. */
export const regenerateJobSchema = z.object({
  kind: z.literal("regenerate"),
  integrationRef: z.string(),
  baseBranch: z.string(),
  checkout: z.string().nullable(),
  tip: z.string(),
  item: landItemSchema,
});

/** What a job asks for. */
export const jobPayloadSchema = z.discriminatedUnion("kind", [
  attemptJobSchema,
  buildJobSchema,
  validateJobSchema,
  moveJobSchema,
  regenerateJobSchema,
]);

/** Kinds of work that runners do. */
export const jobKindSchema = z.enum(["attempt", "build", "validate", "move", "regenerate"]);

/** State of a job. */
export const jobStateSchema = z.enum(["queued", "leased", "completed", "cancelled"]);

/**
 * The full value of a job. `fence` grows with every lease; a result with an old one is refused. What the runner needs
 * to know is put together from `subjectIds` (an attempt, changes, or a landing) when the job is leased.
 */
export const jobSchema = z.object({
  jobId: idSchema("job"),
  /** `land` and `verify-landing` are of journals before 0.2; nobody leases them any more. */
  kind: z.enum([...jobKindSchema.options, "land", "verify-landing"]),
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

/** How an attempt ended, as its runner saw it. A ladder attempt that took lines of others away has them in `lost`. */
export const attemptResultSchema = z.object({
  lost: z.array(lostLinesSchema).default([]),
  outcome: z.enum(["succeeded", "unchanged", "failed", "killed", "interrupted"]),
  baseCommit: z.string().nullable(),
  capture: captureSchema.nullable(),
  failure: failureSchema.nullable(),
  summary: z.string().max(20_000),
  usage: usageSchema,
  /** Set when the work waits for a person's answer; the outcome is then `interrupted`. */
  parkedFor: idSchema("inquiry").nullable().default(null),
  /** Tool calls and answers. */
  steps: z.int().nonnegative().default(0),
});

/** What came of generating files anew: a commit on the tip whose tree holds the merge and the new files. */
export const regeneratedSchema = z.object({
  commit: z.string(),
  filesChanged: z.int().nonnegative(),
  paths: z.array(z.string()),
  durationMs: z.int().nonnegative(),
});

/** What was spent on something. */
export type Spent = z.infer<typeof spentSchema>;
/** The attempt that an attempt goes on with. */
export type ContinuedAttempt = z.infer<typeof continuedAttemptSchema>;
/** What an attempt of the ladder starts from. */
export type LadderJob = z.infer<typeof ladderJobSchema>;
/** Work for one attempt. */
export type AttemptJob = z.infer<typeof attemptJobSchema>;
/** One change to land. */
export type LandItem = z.infer<typeof landItemSchema>;
/** Work for one lane. */
export type BuildJob = z.infer<typeof buildJobSchema>;
/** Work for one validation. */
export type ValidateJob = z.infer<typeof validateJobSchema>;
/** Work for one landing. */
export type MoveJob = z.infer<typeof moveJobSchema>;
/** Work for a conflict in generated files only. */
export type RegenerateJob = z.infer<typeof regenerateJobSchema>;
/** What came of generating files anew. */
export type Regenerated = z.infer<typeof regeneratedSchema>;
/** What a job asks for. */
export type JobPayload = z.infer<typeof jobPayloadSchema>;
/** The full value of a job. */
export type Job = z.infer<typeof jobSchema>;
/** A job as its runner gets it. */
export type LeasedJob = z.infer<typeof leasedJobSchema>;
/** How an attempt ended. */
export type AttemptResult = z.infer<typeof attemptResultSchema>;
