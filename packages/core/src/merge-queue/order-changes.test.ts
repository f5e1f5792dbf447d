import { expect, test } from "vitest";
import { array, assert as check, integer, nat, property, record } from "fast-check";
import { brandId } from "@canopy/protocol";
import type { QueuedChange } from "./order-changes.ts";
import { MAX_OVERTAKEN, orderChanges } from "./order-changes.ts";

function queued(
  name: string,
  fields: Partial<QueuedChange["change"]> & { priority?: number } = {},
): QueuedChange & {
  overtakenCount: number;
} {
  const { priority = 2, ...change } = fields;
  return {
    change: {
      changeId: brandId("change", `chg_${name}`),
      boost: 0,
      filesChanged: 1,
      queuedAtMs: 0,
      revision: 0,
      ...change,
    },
    priority,
    overtakenCount: 0,
  };
}

function order(items: readonly QueuedChange[], nowMs = 0): string[] {
  return orderChanges(items, nowMs).map(({ change }) => change.changeId.slice(4));
}

test("[MQ12] priority first, then age; large changes wait a little", () => {
  const items = [
    queued("large", { filesChanged: 1000 }),
    queued("plain"),
    queued("urgent", { priority: 0 }),
    queued("low", { priority: 4 }),
  ];
  expect(order(items)).toEqual(["urgent", "plain", "large", "low"]);
  const old = queued("old", { priority: 4, queuedAtMs: -300 * 60_000 });
  expect(order([queued("fresh", { priority: 0 }), old])).toEqual(["old", "fresh"]);
});

test("[MQ12] what a person put first goes first", () => {
  expect(order([queued("urgent", { priority: 0 }), queued("moved", { priority: 4, boost: 1 })])).toEqual([
    "moved",
    "urgent",
  ]);
});

test("[MQ12] nothing starves: however many better changes keep coming, each is overtaken a bounded number of times", () => {
  check(
    property(
      array(record({ priority: integer({ min: 0, max: 4 }), files: nat(5000) }), {
        minLength: 5,
        maxLength: 40,
      }),
      array(record({ priority: integer({ min: 0, max: 4 }), files: nat(5000) }), {
        minLength: 100,
        maxLength: 200,
      }),
      (first, later) => {
        let waiting = first.map(({ priority, files }, index) =>
          queued(`first-${index}`, { priority, filesChanged: files }),
        );
        let slot = 0;
        const landedAt = new Map<string, number>();
        for (const { priority, files } of later) {
          // One lands, and one (all at the same time, so that age helps nobody) comes.
          const [taken] = orderChanges(waiting, 0);
          if (taken === undefined) break;
          landedAt.set(taken.change.changeId, slot);
          const at = waiting.findIndex((item) => item.change.changeId === taken.change.changeId);
          waiting = waiting
            .filter((item) => item !== waiting[at])
            .map((item, index) => (index < at ? { ...item, overtakenCount: item.overtakenCount + 1 } : item));
          slot += 1;
          waiting.push(queued(`later-${slot}`, { priority, filesChanged: files }));
        }
        for (const item of waiting)
          expect(item.overtakenCount).toBeLessThanOrEqual(MAX_OVERTAKEN + first.length);
        // Each of the first lands within what was there when it came, and the times it may be overtaken.
        const bound = first.length * (MAX_OVERTAKEN + 1);
        for (const [index] of first.entries()) {
          if (slot > bound) expect(landedAt.get(`chg_first-${index}`)).toBeLessThanOrEqual(bound);
        }
      },
    ),
    { seed: 20261125, numRuns: 60 },
  );
});
