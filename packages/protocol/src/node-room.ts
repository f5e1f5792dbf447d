import { z } from "zod";
import { idSchema } from "./ids.ts";

/** A repository that this device knows. */
export const projectSchema = z.object({
  projectId: idSchema("project"),
  name: z.string(),
  /** The work tree through which it was first seen; others of the same repository share the project. */
  path: z.string(),
  commonDirectory: z.string(),
  addedAtMs: z.int(),
});

/** Every command of the node room. */
export const nodeCommandSchema = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("project.register"),
    projectId: idSchema("project"),
    name: z.string().min(1).max(500),
    path: z.string().min(1),
    commonDirectory: z.string().min(1),
  }),
  z.strictObject({ type: z.literal("project.forget"), projectId: idSchema("project") }),
]);

/** Every durable event of the node room. */
export const nodeEventSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("project.registered"), project: projectSchema }),
  z.object({ type: z.literal("timer.fired"), key: z.string() }),
  z.object({ type: z.literal("project.forgotten"), project: projectSchema }),
]);

/** A repository that this device knows. */
export type Project = z.infer<typeof projectSchema>;
/** A command of the node room. */
export type NodeCommand = z.infer<typeof nodeCommandSchema>;
/** A durable event of the node room. */
export type NodeEvent = z.infer<typeof nodeEventSchema>;
