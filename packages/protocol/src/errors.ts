import type { Json } from "./json.ts";

/**
 * Codes of outside failures and usage errors, with the exit code that the CLI ends with. Stable: a code is
 * never renamed, and never changes its exit code. The list is documented in docs/errors.md.
 */
export const ERROR_EXIT_CODES = {
  "usage.invalid": 2,
  "usage.unknown-agent": 2,
  "usage.unknown-model": 2,
  "config.invalid": 2,
  "repository.not-found": 2,
  "repository.bare": 2,
  "repository.empty": 2,
  "repository.detached-head": 2,
  "repository.read-only": 2,
  "repository.branch-checked-out": 2,
  "repository.busy": 1,
  "request.invalid": 2,
  "request.too-large": 2,
  "request.unauthorized": 7,
  "request.not-found": 4,
  "thing.not-found": 4,
  "thing.ambiguous": 2,
  conflict: 3,
  "timed-out": 5,
  "rate-limited": 6,
  "daemon.unavailable": 7,
  "daemon.port-taken": 7,
  "daemon.locked": 7,
  "git.failed": 1,
  "git.ref-moved": 1,
  "git.missing": 2,
  "disk.full": 1,
  "workspace.failed": 1,
  "sandbox.unavailable": 2,
  "agent.not-found": 2,
  "agent.failed": 1,
  "agent.protocol": 1,
  "task-source.failed": 1,
  "store.failed": 1,
  "deliver.blocked": 1,
  "work.failed": 1,
  cancelled: 130,
  internal: 1,
} as const;

/** Code of an outside failure. */
export type ErrorCode = keyof typeof ERROR_EXIT_CODES;

/** All codes, for parsing what came over the wire. */
export const ERROR_CODES: readonly ErrorCode[] = Object.keys(ERROR_EXIT_CODES) as ErrorCode[];

/** What a CanopyError is made from. */
export interface CanopyErrorOptions {
  /** What the person can do about it, one sentence. */
  readonly hint?: string;
  /** True when trying the same thing again later can work. */
  readonly retry?: boolean;
  readonly data?: Json;
  readonly cause?: unknown;
}

/** The outside world failed. Thrown only outside core, and turned into a wire error in one place (the server). */
export class CanopyError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly retry: boolean;
  readonly data: Json | undefined;

  constructor(code: ErrorCode, message: string, options: CanopyErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "CanopyError";
    this.code = code;
    this.hint = options.hint;
    this.retry = options.retry ?? false;
    this.data = options.data;
  }
}

/** True for an error of this program's own making, also when it came from another copy of this module. */
export function isCanopyError(value: unknown): value is CanopyError {
  return value instanceof Error && value.name === "CanopyError" && "code" in value;
}

/** A broken invariant: a bug. Never caught but at the process boundary. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`broken invariant: ${message}`);
}

/** Marks a place that the types say cannot be reached. */
export function unreachable(value: never): never {
  throw new Error(`broken invariant: unexpected value ${JSON.stringify(value)}`);
}
