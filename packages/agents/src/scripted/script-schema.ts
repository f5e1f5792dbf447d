import { CanopyError } from "@canopy/protocol";
import { z } from "zod";

const countSchema = z.int().nonnegative();
const pathSchema = z.string().min(1);

const textStepSchema = z.union([
  z.string().transform((text) => ({ text, chunkCount: undefined, chunkMs: undefined })),
  z.strictObject({
    text: z.string(),
    chunkCount: z.int().positive().optional(),
    chunkMs: countSchema.optional(),
  }),
]);

const kindSchema = z.enum(["read", "edit", "delete", "move", "search", "execute", "think", "fetch", "other"]);

/** What happens at a permission request, and after its answer. */
export interface PermissionStep {
  readonly title: string;
  readonly kind: z.infer<typeof kindSchema>;
  readonly input?: unknown;
  /** When given, another answer fails the turn. */
  readonly expect?: "allow" | "deny" | undefined;
  readonly onAllow: readonly ScriptStep[];
  readonly onDeny: readonly ScriptStep[];
}

const permissionSchema: z.ZodType<PermissionStep> = z.strictObject({
  title: z.string(),
  kind: kindSchema.default("execute"),
  input: z.json().optional(),
  expect: z.enum(["allow", "deny"]).optional(),
  onAllow: z.lazy(() => stepListSchema).default([]),
  onDeny: z.lazy(() => stepListSchema).default([]),
});

const STEP_SCHEMAS = {
  say: textStepSchema,
  think: textStepSchema,
  tool: z.strictObject({
    kind: kindSchema.default("other"),
    title: z.string(),
    input: z.json().optional(),
    output: z.string().default(""),
    isFailed: z.boolean().default(false),
  }),
  write: z.strictObject({
    path: pathSchema,
    content: z.string(),
    encoding: z.enum(["utf8", "base64"]).default("utf8"),
  }),
  append: z.strictObject({ path: pathSchema, content: z.string() }),
  replace: z.strictObject({ path: pathSchema, find: z.string().min(1), with: z.string() }),
  delete: z.strictObject({ path: pathSchema }),
  rename: z.strictObject({ from: pathSchema, to: pathSchema }),
  mkdir: z.strictObject({ path: pathSchema }),
  symlink: z.strictObject({ path: pathSchema, target: z.string().min(1) }),
  chmod: z.strictObject({ path: pathSchema, mode: z.string().regex(/^[0-7]{3,4}$/) }),
  shell: z.union([
    z.string().transform((command) => ({ command, expectExitCode: undefined })),
    z.strictObject({ command: z.string(), expectExitCode: countSchema.optional() }),
  ]),
  commit: z.strictObject({ message: z.string().min(1) }),
  permission: permissionSchema,
  plan: z.array(
    z.strictObject({
      text: z.string(),
      state: z.enum(["pending", "in_progress", "completed"]).default("pending"),
      priority: z.enum(["high", "medium", "low"]).default("medium"),
    }),
  ),
  usage: z.strictObject({
    inputTokens: countSchema.default(0),
    outputTokens: countSchema.default(0),
    cacheReadTokens: countSchema.default(0),
    cacheWriteTokens: countSchema.default(0),
    costUsd: z.number().nonnegative().optional(),
  }),
  delayMs: countSchema,
  crash: z.strictObject({
    exitCode: z.int().min(1).max(255).optional(),
    signal: z.enum(["SIGKILL", "SIGTERM", "SIGSEGV", "SIGABRT"]).optional(),
  }),
  hang: z.union([
    z.literal(true).transform(() => ({ ignoresCancel: false, ignoresSignals: false })),
    z.strictObject({ ignoresCancel: z.boolean().default(false), ignoresSignals: z.boolean().default(false) }),
  ]),
  flood: z.strictObject({
    lines: countSchema,
    bytesPerLine: z.int().positive().default(80),
    stream: z.enum(["message", "thought", "stderr", "garbage"]).default("message"),
  }),
  stderr: z.string(),
  garbage: z.string(),
  error: z.strictObject({
    kind: z.enum([
      "rate-limit",
      "overload",
      "authentication",
      "bad-request",
      "context-full",
      "refusal",
      "timeout",
      "protocol",
      "unknown",
    ]),
    message: z.string().optional(),
    retryAfterMs: countSchema.optional(),
    /** `rpc` answers with an error; `text` ends the turn normally and says it, as codex-acp does. */
    style: z.enum(["rpc", "text"]).default("rpc"),
  }),
  spawnOrphan: z.strictObject({ seconds: z.int().positive().default(600) }),
  exit: z.strictObject({ exitCode: z.int().min(0).max(255).default(0) }),
} as const;

type StepSchemas = typeof STEP_SCHEMAS;

/** The name of a step. */
export type StepType = keyof StepSchemas;

/** What a step of one name takes. */
export type StepValue<K extends StepType> = z.infer<StepSchemas[K]>;

/** One parsed step. */
export type ScriptStep = { [K in StepType]: { readonly type: K; readonly value: StepValue<K> } }[StepType];

function isStepType(name: string): name is StepType {
  return Object.hasOwn(STEP_SCHEMAS, name);
}

const stepSchema: z.ZodType<ScriptStep> = z
  .record(z.string(), z.unknown())
  .transform((record, context): ScriptStep => {
    const names = Object.keys(record);
    const [name] = names;
    if (name === undefined || names.length !== 1 || !isStepType(name)) {
      const known = Object.keys(STEP_SCHEMAS).join(", ");
      const shown = names.join(", ") || "nothing";
      context.addIssue({
        code: "custom",
        message: `a step has exactly one name of: ${known}; found ${shown}`,
      });
      return z.NEVER;
    }
    return parseStep(name, record[name], context);
  });

function parseStep(type: StepType, value: unknown, context: z.core.$RefinementCtx): ScriptStep {
  const parsed = STEP_SCHEMAS[type].safeParse(value);
  if (parsed.success) return { type, value: parsed.data } as ScriptStep;
  for (const issue of parsed.error.issues) {
    context.addIssue({ code: "custom", message: issue.message, path: [type, ...issue.path] });
  }
  return z.NEVER;
}

const stepListSchema: z.ZodType<ScriptStep[]> = z.array(stepSchema);

const partShape = { steps: stepListSchema.optional(), attempts: z.array(stepListSchema).min(1).optional() };

const scriptSchema = z.strictObject({
  version: z.literal(1),
  /** Default pause between the chunks of messages, in milliseconds. */
  chunkMs: countSchema.default(0),
  start: z
    .strictObject({
      delayMs: countSchema.default(0),
      /** Refuse to open a session until `authenticate` was called with this method. */
      authenticationMethod: z.string().optional(),
    })
    .default({ delayMs: 0 }),
  ...partShape,
  tasks: z
    .array(z.strictObject({ title: z.string().optional(), label: z.string().optional(), ...partShape }))
    .default([]),
});

/** A parsed script. */
export type Script = z.infer<typeof scriptSchema>;

function parseJsonLines(text: string, source: string): unknown {
  const lines = text.split("\n").map((line, index) => ({ line: line.trim(), number: index + 1 }));
  const values = lines
    .filter(({ line }) => line !== "")
    .map(({ line, number }): unknown => {
      try {
        return JSON.parse(line);
      } catch (error) {
        throw new CanopyError("config.invalid", `${source}, line ${number}: not JSON`, { cause: error });
      }
    });
  const [header, ...steps] = values;
  return typeof header === "object" && header !== null ? { ...header, steps } : header;
}

function parseText(text: string, source: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return parseJsonLines(text, source);
  }
}

/**
 * Parses a script: one JSON document, or JSON lines with the header first and one step on each further line. Throws
 * `config.invalid` naming `source` and the place.
 */
export function parseScript(text: string, source: string): Script {
  const parsed = scriptSchema.safeParse(parseText(text, source));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const place = issue === undefined || issue.path.length === 0 ? "" : ` at ${issue.path.join(".")}`;
  throw new CanopyError("config.invalid", `${source}${place}: ${issue?.message ?? "not a script"}`, {
    hint: "The format is described in packages/agents/docs/scripted-agent.md.",
  });
}
