import { z } from "zod";
import { conflictFileSchema, ladderRungSchema, lostLinesSchema } from "./change.ts";
import { idSchema } from "./ids.ts";

/** Budget of one rung of the ladder, for one change. `maxCostUsd` null means no limit in money. */
export const rungBudgetSchema = z.object({
  attempts: z.int().min(0).max(20),
  timeoutMs: z.int().positive(),
  maxCostUsd: z.number().nonnegative().nullable(),
  /** Null: the agent and model that did the work. */
  agent: z.string().nullable(),
  model: z.string().nullable(),
});

/** What a project's configuration wants of the queue, as its runner read it when it last built candidates. */
export const queuePolicySchema = z.object({
  /** Whether candidates are validated before they land: not at all, only green ones land, or red ones land too. */
  mode: z.enum(["off", "strict", "lenient"]),
  /** Validations at the same time. */
  validators: z.int().min(1).max(64),
  windowStart: z.int().min(1).max(256),
  windowMax: z.int().min(1).max(256),
  /** Hash of the commands that validate this lane. */
  commandsHash: z.string(),
  handBack: rungBudgetSchema,
  resolver: rungBudgetSchema,
  repair: rungBudgetSchema,
});

/** One change merged on top of those before it: what the branch would become. */
export const candidateSchema = z.object({
  changeId: idSchema("change"),
  commit: z.string(),
  tree: z.string(),
  /** What a validation of it is remembered by: its tree, without what belongs to other lanes only. */
  key: z.string(),
  /** True when those before it hold all of it already: it has no commit of its own. */
  isEmpty: z.boolean(),
  rung: ladderRungSchema,
  detail: z.string(),
  paths: z.array(z.string()),
});

/** One lane of one branch: candidates in landing order on the branch's tip, and how many may be tried at once. */
export const stackSchema = z.object({
  integrationRef: z.string(),
  lane: z.string(),
  /** Scopes of this lane; null for the lane that shares paths with all others. */
  scopes: z.array(z.string()).nullable(),
  baseBranch: z.string(),
  checkout: z.string().nullable(),
  /** What the ref was at; null when there was none, and `tip` is then the user's branch. */
  refCommit: z.string().nullable(),
  tip: z.string(),
  tipTree: z.string(),
  tipKey: z.string(),
  window: z.int().min(1),
  policy: queuePolicySchema,
  candidates: z.array(candidateSchema),
});

/** One validation of one candidate (or of the branch's tip), queued or at work. */
export const trialSchema = z.object({
  jobId: idSchema("job"),
  integrationRef: z.string(),
  lane: z.string(),
  scopes: z.array(z.string()).nullable(),
  baseBranch: z.string(),
  checkout: z.string().nullable(),
  commit: z.string(),
  tree: z.string(),
  key: z.string(),
  /** The changes that the candidate holds beyond the tip, in landing order. Empty for the tip itself. */
  changeIds: z.array(idSchema("change")),
  /** 1 at first; 2 when a red result is tried once more. */
  tryNumber: z.int().min(1).max(2),
});

/** Why and until when landing on a branch waits. */
export const queuePauseSchema = z.object({
  integrationRef: z.string(),
  untilMs: z.int().nullable(),
  reason: z.string(),
});

/** How often a validation step failed and then passed on the same tree. */
export const flakyStepSchema = z.object({
  step: z.string(),
  count: z.int().positive(),
  lastAtMs: z.int(),
});

/** Files in which the work of a running session meets the branch (`other` null) or another running session. */
export const overlapSchema = z.object({
  attemptId: idSchema("attempt"),
  other: idSchema("attempt").nullable(),
  files: z.array(conflictFileSchema),
  sinceMs: z.int(),
});

/** How one change came out of building its lane's stack. */
export const buildOutcomeSchema = z.discriminatedUnion("state", [
  z.object({ state: z.literal("built"), candidate: candidateSchema }),
  /** It conflicts, but only with changes of the stack that have not landed yet: it waits for them. */
  z.object({ state: z.literal("waits"), changeId: idSchema("change") }),
  z.object({
    state: z.literal("conflicted"),
    changeId: idSchema("change"),
    conflicts: z.array(conflictFileSchema),
    message: z.string(),
    /** Every conflicting file can be generated anew by a configured command. */
    canRegenerate: z.boolean(),
  }),
  /** It merges, but would take lines of others away. */
  z.object({ state: z.literal("reverting"), changeId: idSchema("change"), lost: z.array(lostLinesSchema) }),
]);

/** Budget of one rung of the ladder. */
export type RungBudget = z.infer<typeof rungBudgetSchema>;
/** What a project wants of the queue. */
export type QueuePolicy = z.infer<typeof queuePolicySchema>;
/** One change merged on top of those before it. */
export type Candidate = z.infer<typeof candidateSchema>;
/** One lane of one branch. */
export type Stack = z.infer<typeof stackSchema>;
/** One validation, queued or at work. */
export type Trial = z.infer<typeof trialSchema>;
/** Why landing on a branch waits. */
export type QueuePause = z.infer<typeof queuePauseSchema>;
/** How often a validation step was flaky. */
export type FlakyStep = z.infer<typeof flakyStepSchema>;
/** Where the work of a running session meets others'. */
export type Overlap = z.infer<typeof overlapSchema>;
/** How one change came out of building. */
export type BuildOutcome = z.infer<typeof buildOutcomeSchema>;
