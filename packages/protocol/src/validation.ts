import { z } from "zod";

/** How one step of a validation went. `output` keeps head and tail of what it printed, at most 64 Ki characters. */
export const validationStepResultSchema = z.object({
  name: z.string(),
  state: z.enum(["passed", "failed", "timed-out", "skipped"]),
  required: z.boolean(),
  exitCode: z.int().nullable(),
  durationMs: z.int().nonnegative(),
  output: z.string(),
});

/**
 * The validation of one tree by one set of commands; the pair is validated once and then remembered. `flaky` when it
 * failed at first and passed when it was tried again.
 */
export const validationSchema = z.object({
  /** The candidate's tree, without what belongs to other lanes only. */
  tree: z.string(),
  /** Hash of the steps' commands, so that changed commands validate anew. */
  commandsHash: z.string(),
  commit: z.string(),
  state: z.enum(["passed", "failed"]),
  flaky: z.boolean(),
  /** Steps that failed at first and passed on the same tree. */
  flakySteps: z.array(z.string()).default([]),
  /** A red result counts for good once it was tried twice. */
  tries: z.int().min(1).max(2).default(2),
  steps: z.array(validationStepResultSchema),
  durationMs: z.int().nonnegative(),
});

/** How one step of a validation went. */
export type ValidationStepResult = z.infer<typeof validationStepResultSchema>;
/** The validation of one tree by one set of commands. */
export type Validation = z.infer<typeof validationSchema>;
