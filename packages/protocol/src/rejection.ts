import { z } from "zod";
import type { ErrorCode } from "./errors.ts";
import { jsonSchema } from "./json.ts";

/**
 * Codes of expected refusals by a room. Each maps to the error code (and so the exit code and HTTP status) that a
 * client reports. Stable and documented in docs/errors.md.
 */
export const REJECTION_ERROR_CODES = {
  "command.invalid": "request.invalid",
  "command.unknown": "request.invalid",
  "task.not-found": "thing.not-found",
  "task.ambiguous": "thing.ambiguous",
  "task.already-claimed": "conflict",
  "task.not-claimed": "conflict",
  "task.closed": "conflict",
  "task.not-closed": "conflict",
  "task.cycle": "conflict",
  "task.self-dependency": "request.invalid",
  "task.too-large": "request.too-large",
  "task.duplicate-reference": "conflict",
  "board.prefix-fixed": "conflict",
  "run.not-found": "thing.not-found",
  "run.not-active": "conflict",
  "attempt.not-found": "thing.not-found",
  "attempt.not-active": "conflict",
  "change.not-found": "thing.not-found",
  "change.wrong-state": "conflict",
  "session.not-found": "thing.not-found",
  "session.ended": "conflict",
  "session.handle-taken": "conflict",
  "session.ambiguous": "thing.ambiguous",
  "session.not-yours": "request.invalid",
  "claim.conflict": "conflict",
  "claim.deadlock": "conflict",
  "claim.not-found": "thing.not-found",
  "claim.not-holder": "conflict",
  "claim.stale-token": "conflict",
  "claim.bad-target": "request.invalid",
  "ticket.not-found": "thing.not-found",
  "message.not-found": "thing.not-found",
  "message.too-large": "request.too-large",
  "message.no-recipient": "thing.not-found",
  "message.nothing-to-answer": "conflict",
  "rate.limited": "rate-limited",
  "rate.ping-pong": "rate-limited",
  "wait.not-found": "thing.not-found",
  "wait.bad-condition": "request.invalid",
  "coordination.finished": "conflict",
  "turn.not-found": "thing.not-found",
  "turn.not-active": "conflict",
  "prompt.not-found": "thing.not-found",
  "context.not-found": "thing.not-found",
  "inquiry.not-found": "thing.not-found",
  "inquiry.not-open": "conflict",
  "job.not-found": "thing.not-found",
  "job.stale-token": "conflict",
  "landing.not-found": "thing.not-found",
  "landing.wrong-state": "conflict",
} as const satisfies Record<string, ErrorCode>;

/** Code of an expected refusal. */
export type RejectionCode = keyof typeof REJECTION_ERROR_CODES;

/** Schema of a refusal on the wire. */
export const rejectionSchema = z.object({
  type: z.literal("rejection"),
  code: z.enum(Object.keys(REJECTION_ERROR_CODES) as [RejectionCode, ...RejectionCode[]]),
  message: z.string(),
  hint: z.string().optional(),
  data: jsonSchema.optional(),
});

/** An expected no: a value, never an exception. `message` says what was wrong, `hint` what to do. */
export type Rejection = z.infer<typeof rejectionSchema>;

/** Makes a refusal. */
export function reject(code: RejectionCode, message: string, hint?: string): Rejection {
  return hint === undefined
    ? { type: "rejection", code, message }
    : { type: "rejection", code, message, hint };
}
