import { z } from "zod";
import { enforcementSchema } from "./coordination.ts";
import { durationSchema } from "./duration.ts";

/** `[coordination]` of `.canopy/config.toml`: how agents in one repository keep out of each other's way. */
export const coordinationConfigSchema = z.strictObject({
  enabled: z.boolean().default(true),
  /** What happens to an edit of a file that a live session holds. */
  enforcement: enforcementSchema.default("deny"),
  /** For some files otherwise; the first that fits counts. */
  rules: z
    .array(z.strictObject({ paths: z.array(z.string().min(1)).min(1), enforcement: enforcementSchema }))
    .default([]),
  /** How long a claim lasts that was asked for, and one that an edit made, since its last use. */
  claim_ttl: durationSchema.prefault("30m"),
  edit_claim_ttl: durationSchema.prefault("10m"),
  /** Longest text that is put before an agent at once, in characters. */
  digest_chars: z.int().min(200).max(10_000).default(1200),
  /** What the git hooks do with a commit of files that another live session holds. */
  git_guard: enforcementSchema.default("deny"),
  /** A session without a known process is lost after this time without a sign of life. */
  silent_after: durationSchema.prefault("30m"),
});

/** `[coordination]`, defaults filled in. */
export type CoordinationConfig = z.infer<typeof coordinationConfigSchema>;
