import { z } from "zod";
import { durationSchema } from "./duration.ts";

const rungFields = {
  timeout: durationSchema.prefault("10m"),
  /** Nothing more is tried for a change once this much was spent on this rung. */
  max_cost_usd: z.number().min(0).optional(),
  /** Left out: the agent and model that did the work. */
  agent: z.string().min(1).optional(),
  model: z.string().min(1).optional(),
};

/** `attempts`: tries for one change; 0 leaves the rung out. */
const rungSchema = z
  .strictObject({ ...rungFields, attempts: z.int().min(0).max(20).default(1) })
  .prefault({});

/** `[queue]` of `.canopy/config.toml`: how changes get to the integration branch. */
export const queueConfigSchema = z.strictObject({
  /** How many candidates are tried at once at first; it grows with every landed change and halves when one is red. */
  window: z.int().min(1).max(256).default(4),
  max_window: z.int().min(1).max(256).default(32),
  /** Validations at the same time. */
  validators: z.int().min(1).max(64).default(2),
  /** What a landed change looks like: one commit; the agent's own commits, rebased; or a merge commit. */
  strategy: z.enum(["squash", "keep", "merge"]).default("squash"),
  /** A conflicted change goes back to the session that wrote it. */
  hand_back: rungSchema,
  /** Then to an agent of its own. */
  resolver: rungSchema,
  /** A change that breaks the validation goes to a repair agent; `[validation] max_repair_attempts` says how often. */
  repair: z.strictObject(rungFields).prefault({}),
  /** Generated files that are made anew when only they conflict. */
  regenerate: z
    .array(
      z.strictObject({
        paths: z.array(z.string().min(1)).min(1),
        command: z.string().min(1),
        timeout: durationSchema.prefault("5m"),
      }),
    )
    .default([]),
  /** Changes whose paths are all in some scopes wait only for changes of those scopes. */
  scopes: z
    .array(z.strictObject({ name: z.string().min(1).max(100), paths: z.array(z.string().min(1)).min(1) }))
    .default([]),
  /** Every package of an npm, pnpm, Cargo or Go workspace is a scope too. */
  package_scopes: z.boolean().default(false),
  /** How often running sessions are looked at for conflicts with the branch and with each other; 0 for never. */
  radar_interval: durationSchema.prefault("10s"),
  /** Work that landed or was given up is forgotten after this time. */
  keep_attempts: durationSchema.prefault("30d"),
  keep_failed: durationSchema.prefault("90d"),
});
