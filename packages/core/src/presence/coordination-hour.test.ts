import { expect, test } from "vitest";
import { CoordinationRoom, TEST_WORKTREE as TREE, testTarget } from "@canopy/testkit";
import { createRandom } from "../kernel/random.ts";
import { evaluateCondition } from "../waits/evaluate-condition.ts";
import { selectPendingWaits, selectWait } from "../waits/wait-rows.ts";

const SESSIONS = 50;
const MINUTES = 60;
const BUDGET = 1200;

function countRows(room: CoordinationRoom, table: string): number {
  return Number(room.test.room.sql.exec(`SELECT COUNT(*) AS count FROM ${table}`)[0]?.["count"]);
}

/** A wait for a file to be free, and what has to be so for it to go on. */
interface Watched {
  readonly waitId: string;
  readonly path: string;
}

test(
  "[PR11] fifty sessions for an hour: size and digests stay bounded, no wake is lost, nobody plays ping-pong",
  { timeout: 120_000 },
  () => {
    const room = new CoordinationRoom(7);
    const random = createRandom(7);
    const pick = (count: number): number => Math.floor(random() * count);
    const ids = Array.from({ length: SESSIONS }, (_, index) => room.join(`s${index}`));
    const waits: Watched[] = [];
    let longest = 0;
    let pingPong = 0;
    let refused = 0;
    const sizes: number[] = [];
    const step = (id: string, index: number): void => {
      const path = `src/f${pick(300)}.ts`;
      if (room.edit(id, path).decision === "deny") {
        refused += 1;
        if (random() < 0.2) {
          const answer = room.test.submit({
            type: "wait.start",
            sessionId: id,
            condition: { type: "claim-free", target: testTarget(path), worktree: TREE },
            timeoutMs: 3_000_000,
          });
          if (answer.type === "accepted")
            waits.push({ waitId: (answer.result as { wait: { waitId: string } }).wait.waitId, path });
        }
      } else room.test.accept({ type: "edit.end", sessionId: id, worktree: TREE, keys: [path] });
      if (random() < 0.05)
        room.test.submit({
          type: "mail.send",
          from: id,
          to: `@claude-${1 + pick(SESSIONS)}`,
          body: `m ${"x".repeat(pick(500))}`,
          kind: random() < 0.3 ? "question" : "info",
        });
      if (random() < 0.02) room.test.submit({ type: "mail.send", from: id, to: "all", body: "all hands" });
      if (random() < 0.1)
        room.test.submit({ type: "presence.status", sessionId: id, text: `step ${pick(1000)}` });
      if (random() < 0.1) room.test.submit({ type: "claim.release", sessionId: id, what: "all" });
      longest = Math.max(longest, room.digest(id, BUDGET).length);
      // Two that only thank each other.
      if (index < 2) {
        const to = `@claude-${index === 0 ? 2 : 1}`;
        const answer = room.test.submit({ type: "mail.send", from: id, to, body: "thank you!" });
        if (answer.type === "rejection" && answer.code === "rate.ping-pong") pingPong += 1;
      }
    };
    for (let minute = 0; minute < MINUTES; minute += 1) {
      for (let part = 0; part < 2; part += 1) {
        ids.forEach(step);
        room.test.advance(30_000);
      }
      sizes.push(room.test.storage.sizeBytes());
      // Whoever waits for what is so by now was woken in that very command.
      for (const wait of selectPendingWaits(room.test.room.sql))
        expect(
          evaluateCondition(room.test.room.sql, wait.condition, wait, room.test.nowMs),
          wait.waitId,
        ).toBe(null);
    }
    expect(refused).toBeGreaterThan(100);
    expect(waits.length).toBeGreaterThan(20);
    expect(waits.every(({ waitId }) => selectWait(room.test.room.sql, waitId) !== undefined)).toBe(true);
    expect(longest).toBeLessThanOrEqual(BUDGET);
    expect(pingPong).toBeGreaterThan(20);
    expect(countRows(room, "feed")).toBeLessThanOrEqual(1000);
    expect(countRows(room, "touches")).toBeLessThanOrEqual(SESSIONS * 300);
    // Tables grow with what is held and said; the journal by what happened: under 30 MB for 6,000 edits of fifty.
    expect(sizes.at(-1)).toBeLessThan(30_000_000);
    room.test.accept({ type: "coordination.prune", beforeMs: room.test.nowMs });
    for (const table of ["messages", "deliveries", "feed", "touches", "activity"])
      expect(countRows(room, table), table).toBe(0);
  },
);
