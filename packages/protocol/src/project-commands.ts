import { z } from "zod";
import { boardCommandSchemas } from "./board.ts";
import { conflictFileSchema } from "./change.ts";
import { coordinationCommandSchemas } from "./coordination-commands.ts";
import { attemptResultSchema, jobKindSchema, regeneratedSchema } from "./job.ts";
import { buildOutcomeSchema, queuePolicySchema } from "./queue.ts";
import { forkCommandSchemas } from "./fork.ts";
import { inquiryCommandSchemas } from "./inquiry.ts";
import { usageSchema } from "./agent-event.ts";
import { idSchema } from "./ids.ts";
import { captureSchema, runOptionsSchema } from "./run.ts";
import { validationSchema } from "./validation.ts";
import { dependencyKindSchema, newTaskSchema, taskPatchSchema } from "./task.ts";

/** A task as people type it: an id, a unique part of an id, a number (`12` or `#12`) or an external reference. */
export const taskReferenceSchema = z.string().trim().min(1).max(200);

const jobLease = { jobId: idSchema("job"), fence: z.int().positive() };

/** Commands of the project room that people and agents give. */
export const taskCommandSchemas = [
  z.strictObject({ type: z.literal("task.create"), task: newTaskSchema }),
  /** All or nothing. An item whose `externalReference` exists updates that task instead. */
  z.strictObject({ type: z.literal("task.import"), tasks: z.array(newTaskSchema).min(1).max(10_000) }),
  z.strictObject({ type: z.literal("task.update"), task: taskReferenceSchema, patch: taskPatchSchema }),
  z.strictObject({
    type: z.literal("task.claim"),
    task: taskReferenceSchema,
    holder: z.string().min(1).max(200),
  }),
  z.strictObject({
    type: z.literal("task.release"),
    task: taskReferenceSchema,
    holder: z.string().min(1).max(200),
  }),
  z.strictObject({
    type: z.literal("task.close"),
    task: taskReferenceSchema,
    reason: z.string().max(5000).default(""),
  }),
  z.strictObject({
    type: z.literal("task.reopen"),
    task: taskReferenceSchema,
    reason: z.string().max(5000).default(""),
  }),
  z.strictObject({
    type: z.literal("task.comment"),
    task: taskReferenceSchema,
    text: z.string().min(1).max(1_000_000),
  }),
  z.strictObject({
    type: z.literal("dependency.add"),
    task: taskReferenceSchema,
    on: taskReferenceSchema,
    kind: dependencyKindSchema.default("blocks"),
  }),
  z.strictObject({
    type: z.literal("dependency.remove"),
    task: taskReferenceSchema,
    on: taskReferenceSchema,
  }),
] as const;

const changeTarget = { changeId: idSchema("change") };
const reasonSchema = z.string().max(5000).default("");

/** Commands of the project room that steer runs and the queue. */
export const runCommandSchemas = [
  z.strictObject({ type: z.literal("run.start"), options: runOptionsSchema }),
  z.strictObject({
    type: z.literal("run.stop"),
    runId: idSchema("run"),
    /** `drain` starts nothing new; `now` also ends what runs, keeping its work. */
    mode: z.enum(["drain", "now"]),
  }),
  /** Ends one attempt: an attempt id, its task, or a unique part of either. */
  z.strictObject({ type: z.literal("attempt.kill"), target: z.string().min(1).max(200) }),
  /** Puts a change that stands aside back into the queue; its budgets start afresh. */
  z.strictObject({ type: z.literal("change.requeue"), ...changeTarget }),
  /** Takes a change out for good; its work stays under its ref. */
  z.strictObject({ type: z.literal("change.abandon"), ...changeTarget, reason: reasonSchema }),
  /** Takes a change out of the queue until somebody has it tried again. */
  z.strictObject({ type: z.literal("change.eject"), ...changeTarget, reason: reasonSchema }),
  /** Holds one change back, and lets it go on. */
  z.strictObject({ type: z.literal("change.pause"), ...changeTarget, reason: reasonSchema }),
  /** Before all others, behind all others that wait, or right before another change. */
  z.strictObject({
    type: z.literal("change.reorder"),
    ...changeTarget,
    to: z.enum(["first", "last"]).or(z.strictObject({ before: idSchema("change") })),
  }),
  /** A person resolved it: `commit` on top of `baseCommit` replaces its work. */
  z.strictObject({
    type: z.literal("change.resolve"),
    ...changeTarget,
    commit: z.string(),
    baseCommit: z.string(),
    filesChanged: z.int().nonnegative(),
    detail: z.string().max(10_000),
    paths: z.array(z.string()).max(10_000),
  }),
  /** A person accepts that the change takes lines of others away. */
  z.strictObject({ type: z.literal("change.accept-loss"), ...changeTarget }),
  /** Nothing lands on a branch until it is resumed. */
  z.strictObject({ type: z.literal("queue.pause"), integrationRef: z.string(), reason: reasonSchema }),
  /** Landing goes on, and changes that were blocked are tried again. */
  z.strictObject({ type: z.literal("queue.resume"), integrationRef: z.string() }),
] as const;

/** Commands of the project room that runners give. Results carry the lease's fence; an old one is refused. */
export const runnerCommandSchemas = [
  /** A new runner process of a host: work leased by earlier ones of that host is over. */
  z.strictObject({
    type: z.literal("runner.register"),
    runnerId: idSchema("runner"),
    hostId: z.string().min(1).max(200),
  }),
  z.strictObject({
    type: z.literal("job.lease"),
    runnerId: idSchema("runner"),
    kinds: z.array(jobKindSchema).min(1),
    limit: z.int().min(1).max(256),
  }),
  z.strictObject({
    type: z.literal("attempt.start"),
    ...jobLease,
    baseCommit: z.string(),
    workspaceBackend: z.string(),
    sandboxLevel: z.string().optional(),
  }),
  z.strictObject({ type: z.literal("attempt.finish"), ...jobLease, result: attemptResultSchema }),
  /** What a running attempt has spent so far, for when its runner is lost before it says how it ended. */
  z.strictObject({
    type: z.literal("attempt.spend"),
    ...jobLease,
    usage: usageSchema,
    steps: z.int().nonnegative(),
  }),
  /** Work found in the workspace of a dead runner. */
  z.strictObject({
    type: z.literal("attempt.recover"),
    attemptId: idSchema("attempt"),
    baseCommit: z.string(),
    capture: captureSchema,
  }),
  /** A lane's candidates are merged on `onto` (null: on the tip); or, when the branch is elsewhere by now, `isStale`. */
  z.strictObject({
    type: z.literal("stack.build"),
    ...jobLease,
    onto: z.string().nullable(),
    isStale: z.boolean().default(false),
    refCommit: z.string().nullable(),
    tip: z.string(),
    tipTree: z.string(),
    tipKey: z.string(),
    policy: queuePolicySchema,
    outcomes: z.array(buildOutcomeSchema),
  }),
  /** A tree was validated. */
  z.strictObject({ type: z.literal("validation.record"), ...jobLease, validation: validationSchema }),
  /** The branch was moved, or it was somewhere else. */
  z.strictObject({
    type: z.literal("landing.finish"),
    ...jobLease,
    landingId: idSchema("landing"),
    landed: z.boolean(),
  }),
  z.strictObject({ type: z.literal("change.regenerate"), ...jobLease, result: regeneratedSchema }),
  /**
   * The work of a build, validate, move or regenerate job could not be done: it is tried again later, or, when that is
   * not worth it, its changes wait for a person with the reason. `cancelled` when it was asked to end.
   */
  z.strictObject({
    type: z.literal("job.fail"),
    ...jobLease,
    reason: z.string().max(100_000),
    how: z.enum(["retry", "hopeless", "cancelled"]),
  }),
  /** Where a running session's work meets the branch and its siblings, as of now: replaces what was said before. */
  z.strictObject({
    type: z.literal("radar.report"),
    attemptId: idSchema("attempt"),
    overlaps: z
      .array(
        z.strictObject({
          other: idSchema("attempt").nullable(),
          files: z.array(conflictFileSchema).max(1000),
        }),
      )
      .max(1000),
  }),
] as const;

/** Every command of the project room. */
export const projectCommandSchema = z.discriminatedUnion("type", [
  ...taskCommandSchemas,
  ...runCommandSchemas,
  ...runnerCommandSchemas,
  ...coordinationCommandSchemas,
  ...inquiryCommandSchemas,
  ...boardCommandSchemas,
  ...forkCommandSchemas,
  z.strictObject({ type: z.literal("timer.fire"), key: z.string() }),
]);

/** A command of the project room, parsed. */
export type ProjectCommand = z.infer<typeof projectCommandSchema>;
/** A command of the project room as a client writes it: defaults may be left out. */
export type ProjectCommandInput = z.input<typeof projectCommandSchema>;
