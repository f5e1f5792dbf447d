import { durationSchema } from "@canopy/protocol";
import type { ProjectConfig } from "@canopy/protocol";
import { z } from "zod";

/** `.canopy/validation.toml`, as the program that Canopy follows on from wrote it, with that program's defaults. */
export const seedValidationSchema = z.strictObject({
  validation: z.strictObject({
    enabled: z.boolean().default(false),
    strict: z.boolean().default(false),
    timeout: durationSchema.prefault("5m"),
    max_repair_attempts: z.int().min(0).max(20).default(3),
    steps: z
      .array(
        z.strictObject({
          name: z.string().min(1).max(100),
          command: z.string().min(1),
          timeout: durationSchema.optional(),
          required: z.boolean().default(false),
        }),
      )
      .default([]),
  }),
});

/** The same in this program's words: there, `strict` made every step count, and without it red work landed all the same. */
export function fromSeedValidation(seed: z.infer<typeof seedValidationSchema>): ProjectConfig["validation"] {
  const { strict, steps, ...rest } = seed.validation;
  return {
    ...rest,
    mode: strict ? "strict" : "lenient",
    steps: steps.map((step) => ({
      name: step.name,
      command: step.command,
      timeout: step.timeout,
      required: strict || step.required,
      scopes: [],
    })),
  };
}
