import * as fc from "fast-check";
import { expect, test } from "vitest";
import { createBucket, noteRefusal, noteSuccess, takeTurn } from "./provider-bucket.ts";

const OPTIONS = { burst: 2, maxPerMinute: 60, minPerMinute: 6 };

test("a burst goes at once, the rest at the rate", () => {
  let bucket = createBucket(OPTIONS, 0);
  const waits = [0, 0, 0, 1000].map((nowMs) => {
    const taken = takeTurn(bucket, OPTIONS, nowMs);
    bucket = taken.bucket;
    return taken.waitMs;
  });
  expect(waits).toEqual([0, 0, 1000, 0]);
});

test("Retry-After closes it for everybody, and one wave of refusals halves the rate once", () => {
  const full = createBucket(OPTIONS, 0);
  const first = noteRefusal(full, OPTIONS, { nowMs: 100, retryAfterMs: 5000 });
  const second = noteRefusal(first, OPTIONS, { nowMs: 200, retryAfterMs: 8000 });
  expect(second).toEqual({ tokens: 0, perMinute: 30, closedUntilMs: 8200, updatedAtMs: 200 });
  expect(takeTurn(second, OPTIONS, 1000).waitMs).toBe(7200);
  // It opens empty, at half the rate: one turn after two seconds.
  expect(takeTurn(second, OPTIONS, 8200).waitMs).toBe(2000);
  expect(takeTurn(second, OPTIONS, 10_200).waitMs).toBe(0);
});

test("the rate comes back with turns that go well, up to its maximum", () => {
  let bucket = noteRefusal(createBucket(OPTIONS, 0), OPTIONS, { nowMs: 0, retryAfterMs: 0 });
  for (let count = 1; count <= 20; count += 1) bucket = noteSuccess(bucket, OPTIONS, count);
  expect(bucket.perMinute).toBe(60);
});

test("never more turns than burst and rate allow, never a negative wait, whatever happens", () => {
  const step = fc.record({ afterMs: fc.nat(3000), what: fc.constantFrom("take", "refuse", "succeed") });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      let bucket = createBucket(OPTIONS, 0);
      let nowMs = 0;
      let takenCount = 0;
      for (const { afterMs, what } of steps) {
        nowMs += afterMs;
        if (what === "refuse") bucket = noteRefusal(bucket, OPTIONS, { nowMs, retryAfterMs: null });
        else if (what === "succeed") bucket = noteSuccess(bucket, OPTIONS, nowMs);
        else {
          const taken = takeTurn(bucket, OPTIONS, nowMs);
          bucket = taken.bucket;
          expect(taken.waitMs).toBeGreaterThanOrEqual(0);
          if (taken.waitMs === 0) takenCount += 1;
        }
      }
      expect(takenCount).toBeLessThanOrEqual(OPTIONS.burst + (nowMs / 60_000) * OPTIONS.maxPerMinute + 1e-6);
      expect(bucket.perMinute).toBeGreaterThanOrEqual(OPTIONS.minPerMinute);
    }),
  );
});
