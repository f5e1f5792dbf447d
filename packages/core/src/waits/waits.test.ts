import { expect, test } from "vitest";
import { CoordinationRoom, TEST_WORKTREE as TREE, testTarget } from "@canopy/testkit";
import { selectWait } from "./wait-rows.ts";

function outcomeOf(room: CoordinationRoom, waitId: string): string[] {
  const wait = selectWait(room.test.room.sql, waitId);
  return [wait?.state ?? "none", wait?.outcome ?? ""];
}

const FREE = { type: "claim-free", target: testTarget("a.ts"), worktree: TREE };

test("[WT1] what is so already ends the wait at once, in the answer", () => {
  const room = new CoordinationRoom();
  const a = room.join("a");
  expect(room.wait(a, FREE)).toMatchObject({ state: "satisfied", outcome: "a.ts is free", isTold: true });
});

test.each(["released", "expired", "session-ended", "process-gone"])(
  "[WT2] a wait for a claim ends when it is %s",
  (how) => {
    const room = new CoordinationRoom();
    const [a, b] = [room.join("a", { pid: 7 }), room.join("b")];
    room.claim(a, "a.ts", { ttlMs: 60_000 });
    const { waitId } = room.wait(b, FREE);
    expect(outcomeOf(room, waitId)).toEqual(["waiting", ""]);
    if (how === "released") room.release(a, "a.ts");
    if (how === "expired") room.test.advance(60_000);
    if (how === "session-ended") room.end(a);
    if (how === "process-gone") {
      const process = { pid: 7, startedAt: "start-7", bootId: "boot" };
      room.test.accept({
        type: "presence.report-dead",
        sessions: [{ sessionId: a, process, reason: "gone" }],
      });
    }
    expect(outcomeOf(room, waitId)).toEqual(["satisfied", "a.ts is free"]);
    expect(room.digest(b)).toContain(`your wait ${waitId} is over: a.ts is free`);
  },
);

test("[WT3] granted, idle, ended, message, reply, file, task, branch: each ends its wait", () => {
  const room = new CoordinationRoom();
  const [a, b] = [room.join("a"), room.join("b")];
  room.claim(a, "a.ts");
  const { ticketId } = room.claim(b, "a.ts", { wait: true });
  const asked = room.send(b, "@claude-1", "which?", { kind: "question" });
  const created = room.test.accept({ type: "task.create", task: { title: "t" } });
  const taskId = String(created["taskId"] ?? (created["task"] as Record<string, unknown>)["taskId"]);
  const conditions: Record<string, Record<string, unknown>> = {
    granted: { type: "claim-granted", ticketId },
    idle: { type: "session-idle", sessionId: a },
    ended: { type: "session-ended", sessionId: a },
    message: { type: "message", from: a, kind: "info" },
    reply: { type: "reply", messageId: asked },
    file: { type: "file-changed", key: "z.ts" },
    task: { type: "task-state", taskId, state: "closed" },
    branch: { type: "branch-merged", branch: "topic", into: "main" },
  };
  const waits = Object.entries(conditions).map(([name, condition]) => [name, room.wait(b, condition).waitId]);
  const over = (): string[] =>
    waits.filter(([, id]) => outcomeOf(room, id ?? "")[0] === "satisfied").map(([name]) => name ?? "");
  expect(over()).toEqual([]);
  room.test.accept({ type: "edit.end", sessionId: b, worktree: TREE, keys: ["z.ts"] });
  expect(over(), "one's own edit").toEqual([]);
  room.test.accept({ type: "edit.end", sessionId: a, worktree: TREE, keys: ["z.ts"] });
  expect(over()).toEqual(["file"]);
  room.send(a, "@claude-2", "that one", { replyTo: asked });
  expect(over()).toEqual(["message", "reply", "file"]);
  room.release(a, "a.ts");
  room.test.accept({ type: "task.close", task: taskId });
  room.test.accept({ type: "branch.report-merged", branch: "topic", into: "main" });
  room.test.accept({ type: "presence.update", sessionId: a, state: "idle" });
  room.end(a);
  expect(over()).toEqual(waits.map(([name]) => name));
});

test("[WT4] any ends with the first, all with the last", () => {
  const room = new CoordinationRoom();
  const [a, b, c] = [room.join("a"), room.join("b"), room.join("c")];
  const of = [
    { type: "session-ended", sessionId: a },
    { type: "session-ended", sessionId: b },
  ];
  const any = room.wait(c, { type: "any", of });
  const all = room.wait(c, { type: "all", of });
  room.end(a);
  expect([outcomeOf(room, any.waitId)[0], outcomeOf(room, all.waitId)[0]]).toEqual(["satisfied", "waiting"]);
  room.end(b);
  expect(outcomeOf(room, all.waitId)).toEqual([
    "satisfied",
    "@claude-1 has ended: done; @claude-2 has ended: done",
  ]);
});

test("[WT5] a wait ends with its time, with its session, or when it is cancelled", () => {
  const room = new CoordinationRoom();
  const [a, b] = [room.join("a"), room.join("b")];
  const condition = { type: "session-ended", sessionId: a };
  const [timed, cancelled, orphaned] = [1000, 10_000, 10_000].map(
    (timeoutMs) => room.wait(b, condition, { timeoutMs }).waitId,
  );
  room.test.advance(1000);
  room.test.accept({ type: "wait.cancel", sessionId: b, waitId: cancelled });
  room.end(b);
  expect([timed, cancelled, orphaned].map((id) => outcomeOf(room, id ?? ""))).toEqual([
    ["timed-out", "the time is over"],
    ["cancelled", "cancelled"],
    ["cancelled", "the session has ended"],
  ]);
});

test("[WT6] a wait for what cannot be is refused", () => {
  const room = new CoordinationRoom();
  const a = room.join("a");
  const start = (condition: Record<string, unknown>): string | null =>
    room.refusal({ type: "wait.start", sessionId: a, condition });
  expect(start({ type: "task-state", taskId: "tsk_none", state: "closed" })).toBe("wait.bad-condition");
  expect(start({ type: "claim-granted", ticketId: "tkt_none" })).toBe("wait.bad-condition");
  for (let index = 0; index < 20; index += 1) room.wait(a, { type: "message" });
  expect(start({ type: "message" })).toBe("rate.limited");
});
