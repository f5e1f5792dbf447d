import { z } from "zod";
import { changeStateSchema } from "./change.ts";
import { idSchema } from "./ids.ts";
import { flakyStepSchema, overlapSchema, queuePauseSchema, stackSchema, trialSchema } from "./queue.ts";

/** The queue as a whole. `order` holds what is on its way: first what is built, tested and landed, then what waits. */
export const queueViewSchema = z.object({
  order: z.array(idSchema("change")),
  stacks: z.array(stackSchema),
  trials: z.array(trialSchema),
  pauses: z.array(queuePauseSchema),
  flakySteps: z.array(flakyStepSchema),
  overlaps: z.array(overlapSchema),
});

/** One version of a conflicted file. `text` is its first 256 KiB, null for what is no text. */
export const conflictVersionSchema = z.object({
  mode: z.string(),
  sizeBytes: z.int().nonnegative(),
  isBinary: z.boolean(),
  text: z.string().nullable(),
  /** True when `text` is not all of it. */
  isCut: z.boolean(),
});

/** Content of a file on the wire. `mode` as in git, such as 100644; left out: as it was. */
export const fileContentSchema = z.strictObject({
  content: z.string(),
  encoding: z.enum(["utf8", "base64"]).default("utf8"),
  mode: z.enum(["100644", "100755", "120000"]).optional(),
});

/** A conflicted file: ours is the branch, theirs the change, base what both come from. */
export const conflictDetailSchema = z.object({
  path: z.string(),
  kind: z.string(),
  base: conflictVersionSchema.nullable(),
  ours: conflictVersionSchema.nullable(),
  theirs: conflictVersionSchema.nullable(),
  renamedFrom: z.string().nullable(),
  relatedPaths: z.array(z.string()),
  /** As the merge left it, conflict markers included. Null when it left no file, or one over 8 MiB. */
  merged: fileContentSchema.nullable(),
});

/** Work that has landed on conflicted paths since the change was begun. `taskId` null: a commit of somebody else. */
export const landedIntentSchema = z.object({
  commit: z.string(),
  subject: z.string(),
  taskId: idSchema("task").nullable(),
  paths: z.array(z.string()),
});

/** Everything there is to decide a conflict on, as of one commit of the branch. */
export const changeConflictSchema = z.object({
  changeId: idSchema("change"),
  tip: z.string(),
  commit: z.string(),
  /** False when it merges with the branch as it is now. */
  isConflicted: z.boolean(),
  files: z.array(conflictDetailSchema),
  messages: z.array(z.string()),
  intent: z.object({
    taskId: idSchema("task"),
    title: z.string(),
    description: z.string(),
    summary: z.string(),
  }),
  landed: z.array(landedIntentSchema),
});

/** What somebody decides for one conflicted path. `union` keeps the lines of both sides. */
export const conflictChoiceSchema = z.union([
  z.strictObject({ take: z.enum(["ours", "theirs", "base", "union"]) }),
  fileContentSchema,
  z.strictObject({ delete: z.literal(true) }),
]);

/** Choices for every conflicted path of a change. */
export const resolveRequestSchema = z.strictObject({
  /** The branch's commit that the choices were made on: files that changed since then are refused, not overwritten. */
  tip: z
    .string()
    .regex(/^[0-9a-f]{40,64}$/, "a commit")
    .optional(),
  choices: z.record(z.string(), conflictChoiceSchema),
  detail: z.string().max(5000).default(""),
});

/** What a resolution came to: `commit` stands on `baseCommit`, the branch's tip, and is kept under `ref`. */
export const resolutionSchema = z.object({
  changeId: idSchema("change"),
  commit: z.string(),
  baseCommit: z.string(),
  ref: z.string(),
  paths: z.array(z.string()),
});

/** A kept commit of work that did not land. */
export const keptPatchSchema = z.object({
  ref: z.string(),
  commit: z.string(),
  kind: z.enum(["failed", "attempt", "resolved"]),
  /** Null when no change came of it. */
  changeId: idSchema("change").nullable(),
  changeState: changeStateSchema.nullable(),
  attemptId: idSchema("attempt").nullable(),
  taskId: idSchema("task").nullable(),
  taskNumber: z.int().nullable(),
  title: z.string(),
  ageMs: z.int().nonnegative(),
});

/** Answers of the queue's endpoints, by what they hold. */
export const queueAnswerSchemas = {
  queue: queueViewSchema,
  branches: z.object({ branches: z.array(z.string()), requeuedCount: z.int().nonnegative() }),
  conflict: changeConflictSchema,
  resolution: resolutionSchema,
  patches: z.object({ patches: z.array(keptPatchSchema) }),
  /** The patch's bytes are base64: its text may be in any encoding. */
  patch: z.object({ ref: z.string(), commit: z.string(), patch: z.base64() }),
  expired: z.object({
    dryRun: z.boolean(),
    expired: z.array(z.object({ ref: z.string(), commit: z.string(), ageMs: z.int() })),
  }),
} as const;

/** The queue as a whole. */
export type QueueView = z.infer<typeof queueViewSchema>;
/** Everything there is to decide a conflict on. */
export type ChangeConflict = z.infer<typeof changeConflictSchema>;
/** A conflicted file with its versions. */
export type ConflictDetail = z.infer<typeof conflictDetailSchema>;
/** Content of a file on the wire. */
export type FileContent = z.infer<typeof fileContentSchema>;
/** Work that has landed on conflicted paths. */
export type LandedIntent = z.infer<typeof landedIntentSchema>;
/** Choices for every conflicted path, as a client writes them. */
export type ResolveInput = z.input<typeof resolveRequestSchema>;
/** Choices for every conflicted path. */
export type ResolveRequest = z.infer<typeof resolveRequestSchema>;
/** What a resolution came to. */
export type Resolution = z.infer<typeof resolutionSchema>;
/** A kept commit of work that did not land. */
export type KeptPatch = z.infer<typeof keptPatchSchema>;
