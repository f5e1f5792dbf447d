import { z } from "zod";

/** A connection that a sandbox was not let out for. Times in ms since 1970. */
export const sandboxRefusalSchema = z.object({
  atMs: z.number(),
  projectId: z.string(),
  workspaceId: z.string(),
  host: z.string(),
  port: z.number(),
  reason: z.enum(["not-on-list", "private-address", "not-found"]),
  /** The command that allows it; null: nothing but writing down the address, or nothing at all. */
  fix: z.string().nullable(),
});

/** A refusal with what a person can do about it. */
export type SandboxRefusal = z.infer<typeof sandboxRefusalSchema>;
