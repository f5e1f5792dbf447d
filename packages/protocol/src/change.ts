import { z } from "zod";
import { idSchema } from "./ids.ts";

/**
 * State of a change in the queue. On its way: queued, building (its candidate is being merged), testing (its candidate
 * is being validated), landing (the branch is being moved), landed. Aside: conflicted and failing (an agent or a person
 * works on it), blocked (it cannot land until something else happens), paused and ejected (a person took it aside),
 * abandoned (for good).
 */
export const changeStateSchema = z.enum([
  "queued",
  "building",
  "testing",
  "landing",
  "landed",
  "conflicted",
  "failing",
  "blocked",
  "paused",
  "ejected",
  "abandoned",
]);

/** One file that stands in the way of a merge. */
export const conflictFileSchema = z.object({
  path: z.string(),
  /** content, modify/delete, rename/delete, add/add, ... as git names it. */
  kind: z.string(),
});

/** Lines that others added and a candidate would take away. `lines` holds the first of them, shortened. */
export const lostLinesSchema = z.object({
  path: z.string(),
  lines: z.array(z.string()),
  count: z.int().nonnegative(),
});

/**
 * How a change got past others' work, from the cheapest to the dearest: the same change on both sides, a three-way merge,
 * a merge driver that the person configured, generated files made anew, the session that wrote it, a resolver agent,
 * the whole task once more, a repair agent after a failed validation, a person.
 */
export const ladderRungSchema = z.enum([
  "identical",
  "three-way",
  "driver",
  "regenerate",
  "hand-back",
  "resolver",
  "redo",
  "repair",
  "person",
]);

/** What one rung of the ladder did for a change: the evidence, kept with the change. */
export const ladderStepSchema = z.object({
  rung: ladderRungSchema,
  outcome: z.enum(["worked", "failed"]),
  attemptId: idSchema("attempt").nullable(),
  /** In words: what was tried, or why it did not help. */
  detail: z.string(),
  paths: z.array(z.string()),
  costUsd: z.number().nonnegative().nullable(),
  durationMs: z.int().nonnegative(),
  atMs: z.int(),
});

/** What is being done for a change that is conflicted or failing. `attemptId` is null while it waits for a free slot. */
export const changeWorkSchema = z.object({
  rung: z.enum(["regenerate", "hand-back", "resolver", "repair"]),
  attemptId: idSchema("attempt").nullable(),
  /** The commit of the branch that the work starts from. */
  tip: z.string(),
});

/** The full value of a change: one attempt's work on its way to the integration branch. */
export const changeSchema = z.object({
  changeId: idSchema("change"),
  taskId: idSchema("task"),
  attemptId: idSchema("attempt"),
  runId: idSchema("run"),
  /** Commit that holds the work; its parent is `baseCommit`. A resolved or repaired change has a newer one. */
  commit: z.string(),
  baseCommit: z.string(),
  integrationRef: z.string(),
  state: changeStateSchema,
  filesChanged: z.int().nonnegative(),
  conflicts: z.array(conflictFileSchema),
  /** Why it is conflicted, blocked or abandoned, in words. */
  reason: z.string().nullable(),
  landedCommit: z.string().nullable(),
  queuedAtMs: z.int(),
  endedAtMs: z.int().nullable(),
  /** Scopes of the paths it changes; null when it shares a lane with everything. */
  scopes: z.array(z.string()).nullable().default(null),
  /** Changes that a person put first have more than 0. */
  boost: z.int().default(0),
  /** How often its commit was replaced by a resolved or repaired one. */
  revision: z.int().nonnegative().default(0),
  ladder: z.array(ladderStepSchema).default([]),
  /** Steps of the ladder before this index count for no budget any more: a person had it tried again. */
  ladderFrom: z.int().nonnegative().default(0),
  work: changeWorkSchema.nullable().default(null),
  lostLines: z.array(lostLinesSchema).default([]),
  /** A person accepted that lines of others go away. */
  isLossAccepted: z.boolean().default(false),
  /** The branch's commit that it did not get past, when it is conflicted or failing. */
  stuckOn: z.string().nullable().default(null),
  /** Open tasks that must land first, when it is blocked by them. */
  blockedBy: z.array(idSchema("task")).default([]),
});

/**
 * Intent of one move of the integration branch, written before the ref is touched: after a crash the ref is read and
 * the landing finished or undone. Commits are in landing order.
 */
export const landingSchema = z.object({
  landingId: idSchema("landing"),
  integrationRef: z.string(),
  oldCommit: z.string().nullable(),
  newCommit: z.string(),
  items: z.array(z.object({ changeId: idSchema("change"), commit: z.string() })),
  state: z.enum(["intended", "landed", "abandoned"]),
  /** Lane whose stack lands. */
  lane: z.string().default("*"),
});

/** The full value of a change. */
export type Change = z.infer<typeof changeSchema>;
/** State of a change. */
export type ChangeState = z.infer<typeof changeStateSchema>;
/** One file in the way of a merge. */
export type ConflictFile = z.infer<typeof conflictFileSchema>;
/** Lines of others that a candidate would take away. */
export type LostLinesReport = z.infer<typeof lostLinesSchema>;
/** How a change got past others' work. */
export type LadderRung = z.infer<typeof ladderRungSchema>;
/** What one rung of the ladder did. */
export type LadderStep = z.infer<typeof ladderStepSchema>;
/** What is being done for a stuck change. */
export type ChangeWork = z.infer<typeof changeWorkSchema>;
/** Intent of one move of the integration branch. */
export type Landing = z.infer<typeof landingSchema>;
