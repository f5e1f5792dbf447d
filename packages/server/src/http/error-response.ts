import type { ErrorCode, Rejection, WireError } from "@canopy/protocol";
import { CanopyError, REJECTION_ERROR_CODES, isCanopyError } from "@canopy/protocol";

const STATUS_BY_CODE: Partial<Record<ErrorCode, number>> = {
  "request.invalid": 400,
  "usage.invalid": 400,
  "usage.unknown-agent": 400,
  "usage.unknown-model": 400,
  "config.invalid": 400,
  "thing.ambiguous": 400,
  "repository.not-found": 400,
  "repository.bare": 400,
  "repository.empty": 400,
  "repository.detached-head": 400,
  "repository.read-only": 400,
  "repository.branch-checked-out": 409,
  "repository.busy": 409,
  "request.unauthorized": 401,
  "request.not-found": 404,
  "thing.not-found": 404,
  conflict: 409,
  "deliver.blocked": 409,
  "git.ref-moved": 409,
  "request.too-large": 413,
  "rate-limited": 429,
  "daemon.unavailable": 503,
  "timed-out": 504,
  "disk.full": 507,
};

/** The HTTP status of an error code; 500 for what is nobody's fault but ours. */
export function statusOf(code: ErrorCode): number {
  return STATUS_BY_CODE[code] ?? 500;
}

/** A room refused: thrown by handlers, turned into an answer in one place. */
export class RejectedError extends CanopyError {
  readonly rejection: Rejection;

  constructor(rejection: Rejection) {
    super(REJECTION_ERROR_CODES[rejection.code], rejection.message, {
      ...(rejection.hint === undefined ? {} : { hint: rejection.hint }),
      ...(rejection.data === undefined ? {} : { data: rejection.data }),
    });
    this.rejection = rejection;
  }
}

/** The one place where an error becomes a wire error. What is unexpected keeps its details to the log. */
export function toWireError(error: unknown): {
  readonly status: number;
  readonly body: WireError;
  readonly isBug: boolean;
} {
  if (!isCanopyError(error)) {
    const body: WireError = {
      error: { code: "internal", message: "an unexpected error; the daemon's log has the details" },
    };
    return { status: 500, body, isBug: true };
  }
  const body: WireError = {
    error: {
      code: error.code,
      message: error.message,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      ...(error.data === undefined ? {} : { data: error.data }),
      ...(error instanceof RejectedError ? { rejection: error.rejection.code } : {}),
    },
  };
  return { status: statusOf(error.code), body, isBug: error.code === "internal" };
}
