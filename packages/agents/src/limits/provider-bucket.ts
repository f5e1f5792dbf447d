/** How a bucket for one provider and account behaves. */
export interface BucketOptions {
  /** Turns that may begin at once after a pause. */
  readonly burst: number;
  /** Turns a minute when nothing was refused for long. */
  readonly maxPerMinute: number;
  /** Never less than so many a minute. */
  readonly minPerMinute: number;
}

/** The bucket's whole state: a value, so that a room can keep it in a row. */
export interface ProviderBucket {
  readonly tokens: number;
  readonly perMinute: number;
  /** Nothing begins before this: the provider asked for it. */
  readonly closedUntilMs: number;
  readonly updatedAtMs: number;
}

const MINUTE_MS = 60_000;
const DEFAULT_PAUSE_MS = 5_000;
/** What a refusal leaves of the rate, and what each turn that went well gives back of the maximum. */
const CUT = 0.5;
const RECOVERY = 0.05;

/** A full bucket. */
export function createBucket(options: BucketOptions, nowMs: number): ProviderBucket {
  return { tokens: options.burst, perMinute: options.maxPerMinute, closedUntilMs: 0, updatedAtMs: nowMs };
}

function refill(bucket: ProviderBucket, options: BucketOptions, nowMs: number): ProviderBucket {
  // While it is closed nothing comes in, or a long pause would end in a burst that is refused again.
  const from = Math.max(bucket.updatedAtMs, Math.min(bucket.closedUntilMs, nowMs));
  const added = (Math.max(0, nowMs - from) / MINUTE_MS) * bucket.perMinute;
  const tokens = Math.min(options.burst, bucket.tokens + added);
  return { ...bucket, tokens, updatedAtMs: Math.max(bucket.updatedAtMs, nowMs) };
}

/** Takes leave to begin a turn: the bucket afterwards, and how long to wait first; 0 means that it was taken. */
export function takeTurn(
  bucket: ProviderBucket,
  options: BucketOptions,
  nowMs: number,
): { readonly bucket: ProviderBucket; readonly waitMs: number } {
  const filled = refill(bucket, options, nowMs);
  if (nowMs < filled.closedUntilMs) return { bucket: filled, waitMs: filled.closedUntilMs - nowMs };
  if (filled.tokens >= 1) return { bucket: { ...filled, tokens: filled.tokens - 1 }, waitMs: 0 };
  const waitMs = Math.ceil(((1 - filled.tokens) / filled.perMinute) * MINUTE_MS);
  return { bucket: filled, waitMs };
}

/** The provider refused: halves the rate, empties the bucket and closes it for as long as was asked. */
export function noteRefusal(
  bucket: ProviderBucket,
  options: BucketOptions,
  refusal: { readonly nowMs: number; readonly retryAfterMs: number | null },
): ProviderBucket {
  const { nowMs, retryAfterMs } = refusal;
  const closedUntilMs = Math.max(bucket.closedUntilMs, nowMs + (retryAfterMs ?? DEFAULT_PAUSE_MS));
  // Turns that were under way together are refused together: that is one refusal, not many.
  const isSameWave = nowMs < bucket.closedUntilMs;
  const perMinute = isSameWave ? bucket.perMinute : Math.max(options.minPerMinute, bucket.perMinute * CUT);
  return { tokens: 0, perMinute, closedUntilMs, updatedAtMs: nowMs };
}

/** A turn went well: the rate comes back by steps. */
export function noteSuccess(bucket: ProviderBucket, options: BucketOptions, nowMs: number): ProviderBucket {
  const filled = refill(bucket, options, nowMs);
  const perMinute = Math.min(options.maxPerMinute, filled.perMinute + options.maxPerMinute * RECOVERY);
  return { ...filled, perMinute };
}
