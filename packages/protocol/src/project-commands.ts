import { z } from "zod";
import { landOutcomeSchema, attemptResultSchema } from "./job.ts";
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

/** Commands of the project room that steer runs. */
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
  z.strictObject({ type: z.literal("change.requeue"), changeId: idSchema("change") }),
  z.strictObject({
    type: z.literal("change.abandon"),
    changeId: idSchema("change"),
    reason: z.string().max(5000),
  }),
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
    kinds: z.array(z.enum(["attempt", "land", "verify-landing"])).min(1),
    limit: z.int().min(1).max(256),
  }),
  z.strictObject({
    type: z.literal("attempt.start"),
    ...jobLease,
    baseCommit: z.string(),
    workspaceBackend: z.string(),
  }),
  z.strictObject({ type: z.literal("attempt.finish"), ...jobLease, result: attemptResultSchema }),
  /** Work found in the workspace of a dead runner. */
  z.strictObject({
    type: z.literal("attempt.recover"),
    attemptId: idSchema("attempt"),
    baseCommit: z.string(),
    capture: captureSchema,
  }),
  /** The changes of a landing are being validated. */
  z.strictObject({ type: z.literal("landing.test"), ...jobLease }),
  z.strictObject({ type: z.literal("validation.record"), ...jobLease, validation: validationSchema }),
  z.strictObject({
    type: z.literal("landing.intend"),
    ...jobLease,
    oldCommit: z.string().nullable(),
    newCommit: z.string(),
    /** Lenient validation: what lands although it is red, in words for the follow-up task. */
    followUp: z.string().max(100_000).optional(),
    outcomes: z.array(landOutcomeSchema),
  }),
  z.strictObject({
    type: z.literal("landing.finish"),
    ...jobLease,
    landingId: idSchema("landing"),
    landed: z.boolean(),
  }),
  /** The landing could not even be tried; its changes go back to the queue, or block when it is not worth retrying. */
  z.strictObject({
    type: z.literal("landing.fail"),
    ...jobLease,
    reason: z.string(),
    retry: z.boolean(),
  }),
] as const;

/** Every command of the project room. */
export const projectCommandSchema = z.discriminatedUnion("type", [
  ...taskCommandSchemas,
  ...runCommandSchemas,
  ...runnerCommandSchemas,
  z.strictObject({ type: z.literal("timer.fire"), key: z.string() }),
]);

/** A command of the project room, parsed. */
export type ProjectCommand = z.infer<typeof projectCommandSchema>;
/** A command of the project room as a client writes it: defaults may be left out. */
export type ProjectCommandInput = z.input<typeof projectCommandSchema>;
