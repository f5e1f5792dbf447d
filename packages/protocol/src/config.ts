import { z } from "zod";
import { budgetConfigSchema, providerConfigSchema } from "./budget-config.ts";
import { failureCauseSchema } from "./run.ts";
import { coordinationConfigSchema } from "./coordination-config.ts";
import { durationSchema } from "./duration.ts";
import { permissionConfigSchema } from "./permission-config.ts";
import { queueConfigSchema } from "./queue-config.ts";
import { sandboxConfigSchema } from "./sandbox-config.ts";
import { labelSchema, prioritySchema, taskTypeSchema } from "./task.ts";

const variableSchema = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "a variable's name");

/** One agent under a name of the project's or a person's own. Of a built-in name only what differs need be said. */
export const agentConfigSchema = z.strictObject({
  driver: z.enum(["acp", "claude", "codex", "opencode", "command", "scripted"]).optional(),
  command: z.string().min(1).optional(),
  args: z.array(z.string()).optional(),
  /** Names of environment variables that the agent may see. */
  env: z.array(variableSchema).optional(),
  /** Variables whose values come from the system's keychain, as `SERVICE/ACCOUNT`. */
  keychain: z
    .record(variableSchema, z.string().regex(/^[^/]+\/.+$/, 'a place such as "canopy/claude"'))
    .optional(),
  /** Whether it gets a copy of the person's own login. Only a person's own file may say so. */
  login: z.boolean().optional(),
  model: z.string().min(1).optional(),
  /** Of a command: plain text, or the JSON lines of an agent's one-shot mode, such as `codex exec --json`. */
  output: z.enum(["text", "claude", "codex", "gemini", "opencode"]).optional(),
});

/** Configured agents by name. */
export const agentConfigsSchema = z.record(
  z.string().regex(/^[a-z][a-z0-9_-]{0,39}$/, "a lower-case name"),
  agentConfigSchema,
);

/** Everything `.canopy/config.toml` may say. Unknown keys are errors; a missing table or key has its default; 0 means 0. */
export const projectConfigSchema = z.strictObject({
  run: z
    .strictObject({
      concurrency: z.int().min(1).max(256).default(4),
      agent: z.string().min(1).optional(),
      model: z.string().min(1).optional(),
      max_retries: z.int().min(0).max(100).default(3),
      timeout: durationSchema.prefault("30m"),
      warm: z.boolean().default(true),
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
  sandbox: sandboxConfigSchema.prefault({}),
  permissions: permissionConfigSchema.prefault({}),
  budgets: budgetConfigSchema.prefault({}),
  provider: providerConfigSchema.prefault({}),
  validation: z
    .strictObject({
      enabled: z.boolean().default(false),
      /** strict: only green trees land. lenient: red ones land too, and a follow-up task is filed. */
      mode: z.enum(["strict", "lenient"]).default("strict"),
      /** For all steps of one validation together. */
      timeout: durationSchema.prefault("10m"),
      /** How often a repair agent may try to mend a change that breaks the validation. */
      max_repair_attempts: z.int().min(0).max(20).default(3),
      steps: z
        .array(
          z.strictObject({
            name: z.string().min(1).max(100),
            command: z.string().min(1),
            timeout: durationSchema.optional(),
            /** Only for lanes of these scopes; left out: for all. */
            scopes: z.array(z.string().min(1)).default([]),
            /** A step that is not required may fail. */
            required: z.boolean().default(true),
          }),
        )
        .default([]),
    })
    .prefault({}),
  queue: queueConfigSchema.prefault({}),
  coordination: coordinationConfigSchema.prefault({}),
  commits: z
    .strictObject({
      /** Who is the author of a landed commit: the person who asked, or the agent. */
      author: z.enum(["person", "agent"]).default("person"),
      co_author: z.boolean().default(true),
    })
    .prefault({}),
  tasks: z.strictObject({ source: z.enum(["built-in", "bd"]).default("built-in") }).prefault({}),
  agents: agentConfigsSchema.default({}),
});

/** A project's configuration, defaults filled in. */
export type ProjectConfig = z.infer<typeof projectConfigSchema>;
/** One agent under a name of the project's own. */
export type AgentConfig = z.infer<typeof agentConfigSchema>;
