import { z } from "zod";
import { toolKindSchema } from "./agent-event.ts";
import { durationSchema } from "./duration.ts";

const policySchema = z.enum(["allow", "ask", "deny"]);

/** What agents may do without asking, for one role; what is left out is the project's. */
const roleSchema = z.strictObject({
  policy: policySchema.optional(),
  questions: z.enum(["ask", "decide"]).optional(),
});

/** The table `[permissions]`. */
export const permissionConfigSchema = z.strictObject({
  /** What happens with a tool call that no rule is about: the sandbox is what holds it back (allow), a person, or no. */
  policy: policySchema.default("allow"),
  /** How long a person may take for a permission; then it is refused. */
  ask_timeout: durationSchema.prefault("10m"),
  /** Questions go to a person, or the agent is told to decide by itself. */
  questions: z.enum(["ask", "decide"]).default("ask"),
  /** How long a session waits for an answer before its task is parked. */
  question_wait: durationSchema.prefault("20s"),
  /** The first that fits a tool call decides. */
  rules: z
    .array(
      z.strictObject({
        decision: policySchema,
        kinds: z.array(toolKindSchema).min(1).optional(),
        /** A text in the tool's title or command, with `*` for anything. */
        title: z.string().min(1).optional(),
        where: z.enum(["inside", "outside"]).optional(),
      }),
    )
    .default([]),
  roles: z.partialRecord(z.enum(["worker", "resolver", "repair"]), roleSchema).default({}),
});

/** The table `[permissions]`, defaults filled in. */
export type PermissionConfig = z.infer<typeof permissionConfigSchema>;
