import { expect, test } from "vitest";
import { CoordinationRoom } from "@canopy/testkit";
import { selectPresent } from "./presence-rows.ts";

const ANCHOR = (pid: number, startedAt = `start-${pid}`): object => ({ pid, startedAt, bootId: "boot" });

test("[PR1] the same agent and native id is one session, however it comes again, and each beginning is an epoch", () => {
  const room = new CoordinationRoom();
  const a = room.join("native-1", { pid: 7 });
  room.claim(a, "a.ts");
  for (const source of ["resume", "clear", "compact", "fork"])
    expect(room.join("native-1", { pid: 7, source })).toBe(a);
  expect(room.join("native-1", { pid: 7, source: "again" })).toBe(a);
  expect(selectPresent(room.test.room.sql, a)?.presence.epoch).toBe(5);
  expect(room.held()).toEqual([`${a} a.ts`]);
  expect(room.join("native-1", { agent: "codex" })).not.toBe(a);
});

test("[PR2] the end of a turn is not the end of a session: idle keeps its claims", () => {
  const room = new CoordinationRoom();
  const a = room.join("a");
  room.claim(a, "a.ts");
  room.test.accept({ type: "presence.update", sessionId: a, state: "idle" });
  expect(room.held()).toEqual([`${a} a.ts`]);
  expect(selectPresent(room.test.room.sql, a)?.state).toBe("idle");
});

test("[PR3] a dead process ends its session in one report; a reused number and a quiet one that lives do not", () => {
  const room = new CoordinationRoom();
  const a = room.join("a", { pid: 7 });
  room.claim(a, "a.ts");
  room.test.advance(3_600_000);
  expect(selectPresent(room.test.room.sql, a)?.state).toBe("active");
  const report = (process: object): unknown =>
    room.test.accept({ type: "presence.report-dead", sessions: [{ sessionId: a, process, reason: "gone" }] });
  report(ANCHOR(7, "another process"));
  expect(selectPresent(room.test.room.sql, a)?.state).toBe("active");
  room.claim(a, "b.ts");
  report(ANCHOR(7));
  expect(selectPresent(room.test.room.sql, a)).toMatchObject({ state: "ended", endReason: "gone" });
  expect(room.held()).toEqual([]);
});

test("[PR4] a sign of life brings back a session that was lost or had ended", () => {
  const room = new CoordinationRoom();
  const a = room.join("a", { pid: null });
  const silent = {
    type: "presence.report-dead",
    sessions: [{ sessionId: a, process: null, reason: "silent" }],
  };
  room.test.accept(silent);
  expect(selectPresent(room.test.room.sql, a)?.state).toBe("lost");
  room.test.accept({ type: "presence.update", sessionId: a, state: "active" });
  expect(selectPresent(room.test.room.sql, a)?.state).toBe("active");
  room.test.accept(silent);
  room.test.advance(7_200_000);
  expect(selectPresent(room.test.room.sql, a)?.state).toBe("ended");
  expect(room.refusal({ type: "presence.update", sessionId: a, state: "active" })).toBe("session.ended");
  expect(room.join("a", { source: "again" })).toBe(a);
  expect(selectPresent(room.test.room.sql, a)).toMatchObject({ state: "active", presence: { epoch: 2 } });
});

test("[PR5] no two sessions that are here share a handle, and a number is not given twice", () => {
  const room = new CoordinationRoom();
  const [a, b] = [room.join("a"), room.join("b")];
  expect(room.refusal({ type: "presence.rename", sessionId: b, handle: "claude-1" })).toBe(
    "session.handle-taken",
  );
  expect(room.refusal({ type: "presence.rename", sessionId: b, handle: "all" })).toBe("session.handle-taken");
  expect(room.refusal({ type: "presence.rename", sessionId: b, handle: "claude-3" })).toBe(null);
  room.end(a);
  const names = ["c", "d"].map((native) => {
    const session = selectPresent(room.test.room.sql, room.join(native));
    return session?.presence.handle;
  });
  expect(names).toEqual(["claude-4", "claude-5"]);
});

test("[PR6] a session acts only as itself", () => {
  const room = new CoordinationRoom();
  const [a, b] = [room.join("a"), room.join("b")];
  const asB = { kind: "agent", id: b } as const;
  for (const command of [
    { type: "presence.end", sessionId: a, reason: "x" },
    { type: "claim.release", sessionId: a, what: "all" },
    { type: "mail.send", from: a, to: "all", body: "x" },
    { type: "mail.send", from: null, to: "all", body: "x" },
    { type: "mail.read", sessionId: a },
    { type: "digest.take", sessionId: a, where: "x" },
    { type: "wait.start", sessionId: a, condition: { type: "message" } },
    { type: "coordination.finish" },
    { type: "coordination.prune", beforeMs: 1 },
  ])
    expect(room.refusal(command, asB), command.type).toBe("session.not-yours");
});

test("[PR7] a finished project ends its sessions and takes none until it is reopened", () => {
  const room = new CoordinationRoom();
  const a = room.join("a");
  room.test.accept({ type: "coordination.finish" });
  expect(selectPresent(room.test.room.sql, a)?.state).toBe("ended");
  const join = {
    type: "presence.join",
    agent: "claude",
    nativeSessionId: "b",
    source: "startup",
    worktree: "/r",
  };
  expect(room.refusal(join)).toBe("coordination.finished");
  room.test.accept({ type: "coordination.reopen" });
  expect(room.refusal(join)).toBe(null);
});

test("[PR8] pruning forgets ended sessions, old mail, waits and touches, and nothing that is in use", () => {
  const room = new CoordinationRoom();
  const [a, b] = [room.join("a"), room.join("b")];
  room.send(a, "@claude-2", "old");
  room.test.accept({ type: "edit.end", sessionId: a, worktree: "/repo", keys: ["a.ts"] });
  room.claim(b, "b.ts");
  room.end(a);
  room.test.advance(1000);
  room.test.accept({ type: "coordination.prune", beforeMs: room.test.nowMs });
  const count = (table: string): unknown =>
    room.test.room.sql.exec(`SELECT COUNT(*) AS count FROM ${table}`)[0]?.["count"];
  expect(["sessions", "presences", "messages", "deliveries", "touches", "feed", "claims"].map(count)).toEqual(
    [1, 1, 0, 0, 0, 0, 1],
  );
  const before = room.test.dump();
  room.test.room.replay();
  expect(room.test.dump()).toEqual(before);
});

test("[PR9] subagents are children of their session and share its claims", () => {
  const room = new CoordinationRoom();
  const a = room.join("a");
  room.test.accept({
    type: "presence.update",
    sessionId: a,
    childStarted: { childId: "sub-1", kind: "Explore" },
  });
  expect(selectPresent(room.test.room.sql, a)?.presence.children).toMatchObject([{ childId: "sub-1" }]);
  room.edit(a, "a.ts", { childId: "sub-1" });
  expect(room.edit(a, "a.ts").decision).toBe("allow");
  room.test.accept({ type: "presence.update", sessionId: a, childEnded: "sub-1" });
  expect(selectPresent(room.test.room.sql, a)?.presence.children).toEqual([]);
});

test("[PR10] at most 30 status lines in an hour", () => {
  const room = new CoordinationRoom();
  const a = room.join("a");
  const say = (text: string): string | null => room.refusal({ type: "presence.status", sessionId: a, text });
  for (let index = 0; index < 30; index += 1) expect(say(`step ${index}`)).toBe(null);
  expect(say("one more")).toBe("rate.limited");
});
