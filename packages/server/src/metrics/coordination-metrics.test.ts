import type { EventEnvelope } from "@canopy/protocol";
import { CoordinationRoom, TEST_WORKTREE, testTarget } from "@canopy/testkit";
import { expect, test } from "vitest";
import { openTestServer } from "../contract/open-test-server.ts";
import { createMetrics } from "./create-metrics.ts";

test("claims, refusals, bypasses, messages and waits are counted, each end of a wait once", async () => {
  const room = new CoordinationRoom();
  const [a, b] = [room.join("a"), room.join("b")];
  room.edit(a, "a.ts");
  room.claim(a, "b.ts");
  room.edit(b, "a.ts");
  room.test.accept({ type: "edit.report-bypass", sessionId: b, what: "x", reason: "y" });
  room.send(a, "@claude-2", "hello");
  const condition = { type: "claim-free", target: testTarget("a.ts"), worktree: TEST_WORKTREE };
  room.wait(b, condition);
  room.test.nowMs += 2000;
  room.release(a, "a.ts");
  room.digest(b);
  room.wait(b, condition);
  const server = openTestServer();
  const metrics = createMetrics({
    host: server.host,
    feedCounts: () => undefined,
    memoryBytes: () => 1,
    overlayMounts: () => 0,
    rooms: () => [],
  });
  const events: EventEnvelope[] = room.test.room.eventsAfter(0, 1000);
  metrics.observeEvents(events);
  const text = await metrics.render();
  const lines = text
    .split("\n")
    .filter((line) => /^canopy_(edits|claims|messages|session_wait_seconds_(count|sum))/.test(line));
  expect(lines).toEqual([
    "canopy_edits_refused_total 1",
    "canopy_edits_bypassed_total 1",
    'canopy_claims_granted_total{how="edit"} 1',
    'canopy_claims_granted_total{how="asked"} 1',
    'canopy_messages_sent_total{kind="info"} 1',
    'canopy_session_wait_seconds_sum{state="satisfied"} 2',
    'canopy_session_wait_seconds_count{state="satisfied"} 2',
  ]);
});
