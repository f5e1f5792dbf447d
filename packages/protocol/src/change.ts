import { z } from "zod";
import { idSchema } from "./ids.ts";

/** State of a change in the queue. */
export const changeStateSchema = z.enum([
  "queued",
  "landing",
  "testing",
  "landed",
  "conflicted",
  "failing",
  "blocked",
  "abandoned",
]);

/** One file that stands in the way of a merge. */
export const conflictFileSchema = z.object({
  path: z.string(),
  /** content, modify/delete, rename/delete, add/add, ... as git names it. */
  kind: z.string(),
});

/** The full value of a change: one attempt's work on its way to the integration branch. */
export const changeSchema = z.object({
  changeId: idSchema("change"),
  taskId: idSchema("task"),
  attemptId: idSchema("attempt"),
  runId: idSchema("run"),
  /** Commit that holds the work; its parent is `baseCommit`. */
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
});

/** The full value of a change. */
export type Change = z.infer<typeof changeSchema>;
/** State of a change. */
export type ChangeState = z.infer<typeof changeStateSchema>;
/** One file in the way of a merge. */
export type ConflictFile = z.infer<typeof conflictFileSchema>;
/** Intent of one move of the integration branch. */
export type Landing = z.infer<typeof landingSchema>;
