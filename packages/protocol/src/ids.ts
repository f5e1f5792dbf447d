import { z } from "zod";

/** Every kind of id with its prefix. The prefix is part of the id and never changes. */
export const ID_PREFIXES = {
  attempt: "att",
  change: "chg",
  claim: "clm",
  command: "cmd",
  comment: "cmt",
  feature: "ftr",
  inquiry: "inq",
  job: "job",
  landing: "lnd",
  message: "msg",
  project: "prj",
  prompt: "prm",
  run: "run",
  runner: "rnr",
  session: "ses",
  task: "tsk",
  ticket: "tkt",
  turn: "trn",
  wait: "wai",
  entry: "ent",
} as const;

/** A kind of id: `task`, `run`, ... */
export type IdKind = keyof typeof ID_PREFIXES;

/** A branded id string such as `tsk_1k2m3np4q5r6`. */
export type Id<K extends IdKind> = string & { readonly __idKind: K };

/** Ids of the domain's things. */
export type AttemptId = Id<"attempt">;
/** Id of one change on its way through the queue. */
export type ChangeId = Id<"change">;
/** Id of a claim on a file or resource. */
export type ClaimId = Id<"claim">;
/** Id of a comment on a task. */
export type CommentId = Id<"comment">;
/** Id of a feature inside a project. */
export type FeatureId = Id<"feature">;
/** Id of something that a session asks of people. */
export type InquiryId = Id<"inquiry">;
/** Id of a piece of outside work. */
export type JobId = Id<"job">;
/** Id of one move of the integration branch. */
export type LandingId = Id<"landing">;
/** Id of a message between sessions. */
export type MessageId = Id<"message">;
/** Id of a project (one git repository, all its worktrees). */
export type ProjectId = Id<"project">;
/** Id of a prompt to a session. */
export type PromptId = Id<"prompt">;
/** Id of a run: one `canopy run`. */
export type RunId = Id<"run">;
/** Id of a runner process (one per daemon start). */
export type RunnerId = Id<"runner">;
/** Id of an agent session. */
export type SessionId = Id<"session">;
/** Id of a task. */
export type TaskId = Id<"task">;
/** Id of a place in the line for claims. */
export type TicketId = Id<"ticket">;
/** Id of one prompt-to-idle turn of a session. */
export type TurnId = Id<"turn">;
/** Id of a wait of a session. */
export type WaitId = Id<"wait">;
/** Id of a transcript entry. */
export type EntryId = Id<"entry">;

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
const TIME_CHARS = 7;
const RANDOM_CHARS = 8;
/** 2026-01-01T00:00:00Z, the origin of the time part, in milliseconds. */
const EPOCH_MS = 1_767_225_600_000;
const TICK_MS = 100;

function encodeBase32(value: number, length: number): string {
  let rest = Math.max(0, Math.floor(value));
  let text = "";
  for (let index = 0; index < length; index += 1) {
    text = (ALPHABET[rest % 32] ?? "0") + text;
    rest = Math.floor(rest / 32);
  }
  return text;
}

/**
 * Makes an id from a time and a random number: 7 characters of time (100 ms ticks, sortable) and 8 random
 * ones (40 bits), in Crockford's base 32. `random` is in [0, 1). Deterministic: same input, same id.
 */
export function createId<K extends IdKind>(kind: K, nowMs: number, random: number): Id<K> {
  const time = encodeBase32((nowMs - EPOCH_MS) / TICK_MS, TIME_CHARS);
  const tail = encodeBase32(random * 32 ** RANDOM_CHARS, RANDOM_CHARS);
  return `${ID_PREFIXES[kind]}_${time}${tail}` as Id<K>;
}

/** Brands a string that this program made itself, such as a project id derived from a path. */
export function brandId<K extends IdKind>(_kind: K, value: string): Id<K> {
  return value as Id<K>;
}

/** Schema of an id of one kind: its prefix, an underscore, then 1 to 40 lower-case letters, digits or dashes. */
export function idSchema<K extends IdKind>(kind: K): z.ZodType<Id<K>, string> {
  const pattern = new RegExp(`^${ID_PREFIXES[kind]}_[0-9a-z-]{1,40}$`);
  return z
    .string()
    .regex(pattern, `expected an id like ${ID_PREFIXES[kind]}_...`)
    .transform((value) => value as Id<K>);
}
