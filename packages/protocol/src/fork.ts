import { z } from "zod";
import { idSchema } from "./ids.ts";
import { imagesSchema } from "./image.ts";

/** Where a conversation begins that goes on from another: with all turns of that session up to one. */
export const forkPointSchema = z.object({
  sessionId: idSchema("session"),
  /** Its last turn that is part of the fork. */
  throughTurnId: idSchema("turn"),
});

/** What a task begins with that is a fork of a session. */
export const taskForkSchema = z.object({
  ...forkPointSchema.shape,
  /** The attempt that the session was in then; null for a session of no attempt. */
  attemptId: idSchema("attempt").nullable(),
});

/** What an attempt gets to begin with another session's conversation. */
export const forkJobSchema = z.object({
  ...forkPointSchema.shape,
  /** True when that session is over and has no further turn, so that the agent's own memory of it may be copied. */
  isWhole: z.boolean(),
  /** Its work that has not landed; null: the branch has it, or there is none. */
  work: z.object({ baseCommit: z.string(), commit: z.string() }).nullable(),
  /** The attempt that is at work in that session, of whose files there may be a checkpoint; null when none is. */
  atWork: z.object({ attemptId: idSchema("attempt"), baseCommit: z.string() }).nullable(),
});

const forkFields = {
  /** What the new session is asked. */
  prompt: z.string().max(4_194_304).default(""),
  title: z.string().trim().min(1).max(500).nullable().default(null),
  /** Null: the agent of the session. */
  agent: z.string().min(1).max(2000).nullable().default(null),
  model: z.string().min(1).max(200).nullable().default(null),
  images: imagesSchema.optional(),
};

/** What a person asks of a fork. */
export const forkRequestSchema = z
  .strictObject(forkFields)
  .refine(({ prompt, title }) => prompt.trim() !== "" || title !== null, "a fork needs a prompt or a title");

/** Commands of the project room that copy sessions. */
export const forkCommandSchemas = [
  /** Makes a task whose session begins with another's conversation, up to a turn of it that is over. */
  z.strictObject({ type: z.literal("session.fork"), ...forkPointSchema.shape, ...forkFields }),
] as const;

/** Where a conversation begins that goes on from another. */
export type ForkPoint = z.infer<typeof forkPointSchema>;
/** What a task begins with that is a fork of a session. */
export type TaskFork = z.infer<typeof taskForkSchema>;
/** What an attempt gets to begin with another session's conversation. */
export type ForkJob = z.infer<typeof forkJobSchema>;
