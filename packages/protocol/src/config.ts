import { z } from "zod";
import { failureCauseSchema } from "./run.ts";
import { labelSchema, prioritySchema, taskTypeSchema } from "./task.ts";

const DURATION_UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** Reads `90s`, `10m`, `1h30m`, `7d` or `0` as milliseconds; undefined when it is none of them. */
export function parseDurationMs(text: string): number | undefined {
  if (text.trim() === "0") return 0;
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d|w))+$/.test(text.trim())) return undefined;
  let totalMs = 0;
  for (const [, amount = "0", unit = "ms"] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d|w)/g)) {
    totalMs += Number(amount) * (DURATION_UNITS[unit] ?? 1);
  }
  return Math.round(totalMs);
}

/** A duration in a configuration file: a text such as `10m`, read as milliseconds. */
export const durationSchema = z.string().transform((text, context) => {
  const ms = parseDurationMs(text);
  if (ms !== undefined) return ms;
  context.addIssue({
    code: "custom",
    message: `'${text}' is not a duration such as "90s", "10m" or "1h30m"`,
  });
  return z.NEVER;
});

/** One agent under a name of the project's own. */
export const agentConfigSchema = z.strictObject({
  driver: z.enum(["acp", "claude", "codex", "command", "scripted"]),
  command: z.string().min(1).optional(),
  args: z.array(z.string()).default([]),
  /** Names of environment variables that the agent may see. */
  env: z.array(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "a variable's name")).default([]),
  model: z.string().min(1).optional(),
});

/** Everything `.canopy/config.toml` may say. Unknown keys are errors; a missing table or key has its default; 0 means 0. */
export const projectConfigSchema = z.strictObject({
  run: z
    .strictObject({
      concurrency: z.int().min(1).max(256).default(4),
      agent: z.string().min(1).optional(),
      model: z.string().min(1).optional(),
      max_retries: z.int().min(0).max(100).default(3),
      timeout: durationSchema.prefault("30m"),
    })
    .prefault({}),
  rules: z
    .strictObject({
      priority_max: prioritySchema.optional(),
      types: z.array(taskTypeSchema).default([]),
      exclude_types: z.array(taskTypeSchema).default(["epic"]),
      labels: z.array(labelSchema).default([]),
      exclude_labels: z.array(labelSchema).default(["needs-*"]),
      assignee: z.string().min(1).optional(),
      max_concurrent_per_type: z.record(z.string(), z.int().min(0)).default({}),
      max_concurrent_per_label: z.record(z.string(), z.int().min(0)).default({}),
    })
    .prefault({}),
  retries: z
    .partialRecord(
      failureCauseSchema,
      z.strictObject({
        limit: z.int().min(0).max(1000),
        delay: durationSchema.prefault("0"),
        max_delay: durationSchema.prefault("10m"),
      }),
    )
    .default({}),
  workspace: z
    .strictObject({
      backend: z
        .enum(["auto", "overlay", "overlay-userns", "fuse-overlayfs", "reflink", "worktree", "copy"])
        .default("auto"),
      /** A shell command that runs in every new workspace before the agent. */
      setup: z.string().min(1).optional(),
      setup_timeout: durationSchema.prefault("10m"),
      /** Files and folders, relative to the repository, that git ignores but agents need. Missing ones are skipped. */
      bring: z.array(z.string().min(1)).default([".env", "node_modules"]),
      /** Names of environment variables that agents and setup may see besides the built-in ones. */
      env: z.array(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "a variable's name")).default([]),
      ports: z.int().min(0).max(100).default(10),
    })
    .prefault({}),
  validation: z
    .strictObject({
      enabled: z.boolean().default(false),
      /** strict: only green trees land. lenient: red ones land too, and a follow-up task is filed. */
      mode: z.enum(["strict", "lenient"]).default("strict"),
      /** For all steps of one validation together. */
      timeout: durationSchema.prefault("10m"),
      steps: z
        .array(
          z.strictObject({
            name: z.string().min(1).max(100),
            command: z.string().min(1),
            timeout: durationSchema.optional(),
            /** A step that is not required may fail. */
            required: z.boolean().default(true),
          }),
        )
        .default([]),
    })
    .prefault({}),
  commits: z
    .strictObject({
      /** Who is the author of a landed commit: the person who asked, or the agent. */
      author: z.enum(["person", "agent"]).default("person"),
      co_author: z.boolean().default(true),
    })
    .prefault({}),
  tasks: z.strictObject({ source: z.enum(["built-in", "bd"]).default("built-in") }).prefault({}),
  agents: z
    .record(z.string().regex(/^[a-z][a-z0-9_-]{0,39}$/, "a lower-case name"), agentConfigSchema)
    .default({}),
});

/** A project's configuration, defaults filled in. */
export type ProjectConfig = z.infer<typeof projectConfigSchema>;
/** One agent under a name of the project's own. */
export type AgentConfig = z.infer<typeof agentConfigSchema>;
