import { expect, test } from "vitest";
import { CoordinationRoom, TEST_WORKTREE as TREE } from "@canopy/testkit";

const RESERVED_MS = 120_000;

test("[CL1] what is claimed exclusively is refused to others, with its holder, state, reason, age and remaining time", () => {
  const room = new CoordinationRoom();
  const [a, b] = [room.join("a"), room.join("b")];
  room.claim(a, "src/main.rs", { reason: "refactoring login", ttlMs: 600_000 });
  room.test.nowMs += 120_000;
  const answer = room.test.submit({
    type: "claim.acquire",
    sessionId: b,
    targets: [{ kind: "path", key: "src/main.rs", label: "src/main.rs" }],
    worktree: TREE,
  });
  expect(answer).toMatchObject({
    type: "rejection",
    code: "claim.conflict",
    message:
      "@claude-1 (active) holds src/main.rs (exclusive) for 2 min now (refactoring login); it expires in 8 min unless used",
    data: { blockers: [{ sessionId: a, handle: "claude-1", heldForMs: 120_000, remainingMs: 480_000 }] },
  });
});

test.each([
  ["shared", "shared", null],
  ["shared", "exclusive", "claim.conflict"],
  ["exclusive", "shared", "claim.conflict"],
  ["exclusive", "intent", null],
  ["intent", "exclusive", null],
])("[CL1] after %s, %s gives %s", (first, second, expected) => {
  const room = new CoordinationRoom();
  const [a, b] = [room.join("a"), room.join("b")];
  room.claim(a, "a.ts", { mode: first });
  expect(room.claimRefusal(b, "a.ts", { mode: second })).toBe(expected);
});

test("[CL2] a folder blocks what is in it, what is in it blocks the folder, and a glob both", () => {
  const room = new CoordinationRoom();
  const [a, b] = [room.join("a"), room.join("b")];
  room.claim(a, "src/ docs/a.md **/*.css");
  expect(room.claimRefusal(b, "src/deep/x.ts")).toBe("claim.conflict");
  expect(room.claimRefusal(b, "docs/")).toBe("claim.conflict");
  expect(room.claimRefusal(b, "web/style.css")).toBe("claim.conflict");
  expect(room.claimRefusal(b, "web/")).toBe("claim.conflict");
  expect(room.claimRefusal(b, "web/*.ts docs/b.md")).toBe(null);
});

test("[CL3] of several targets all are granted or none", () => {
  const room = new CoordinationRoom();
  const [a, b] = [room.join("a"), room.join("b")];
  room.claim(a, "b.ts");
  expect(room.claimRefusal(b, "a.ts b.ts c.ts")).toBe("claim.conflict");
  expect(room.held()).toEqual([`${a} b.ts`]);
});

test("[CL4] every grant has a greater fence, and an old one is refused", () => {
  const room = new CoordinationRoom();
  const [a, b] = [room.join("a"), room.join("b")];
  const first = room.claim(a, "a.ts").claims[0];
  room.release(a, "a.ts");
  const second = room.claim(b, "a.ts").claims[0];
  room.release(b, "a.ts");
  const third = room.claim(a, "a.ts").claims[0];
  expect([first?.fence, second?.fence, third?.fence]).toEqual([1, 2, 3]);
  const claimIds = [third?.claimId];
  expect(room.refusal({ type: "claim.renew", sessionId: a, claimIds, fence: 1 })).toBe("claim.stale-token");
  expect(room.refusal({ type: "claim.renew", sessionId: a, claimIds, fence: 3 })).toBe(null);
  expect(room.refusal({ type: "claim.renew", sessionId: b, claimIds })).toBe("claim.not-holder");
  expect(room.refusal({ type: "claim.renew", sessionId: a, claimIds: [first?.claimId] })).toBe(
    "claim.not-found",
  );
});

test("[CL5] a claim ends with its time, which is bounded, and use prolongs it", () => {
  const room = new CoordinationRoom();
  const a = room.join("a");
  expect(room.claim(a, "long.ts", { ttlMs: 80_000_000 }).claims[0]?.expiresAtMs).toBe(
    room.test.nowMs + 7_200_000,
  );
  expect(room.claim(a, "short.ts", { ttlMs: 1000 }).claims[0]?.expiresAtMs).toBe(room.test.nowMs + 10_000);
  room.claim(a, "used.ts", { ttlMs: 600_000 });
  room.claim(a, "unused.ts", { ttlMs: 600_000 });
  room.test.advance(400_000);
  room.edit(a, "used.ts");
  room.test.advance(300_000);
  expect(room.held()).toEqual([`${a} long.ts`, `${a} used.ts`]);
});

test("[CL6] what is freed goes to the first in line, not to who happens to ask, and passes on when not taken up", () => {
  const room = new CoordinationRoom();
  const [a, b, c, d] = [room.join("a"), room.join("b"), room.join("c"), room.join("d")];
  room.claim(a, "a.ts");
  expect(room.claim(b, "a.ts", { wait: true })).toMatchObject({ state: "queued", position: 1 });
  expect(room.claim(c, "a.ts x.ts", { wait: true })).toMatchObject({ state: "queued", position: 2 });
  // d would only meet c, who stands in line for x.ts.
  expect(room.claimRefusal(d, "x.ts")).toBe("claim.conflict");
  room.release(a, "a.ts");
  expect(room.held()).toEqual([`${b} a.ts`]);
  expect(room.claimRefusal(a, "a.ts")).toBe("claim.conflict");
  room.test.advance(RESERVED_MS);
  expect(room.held()).toEqual([`${c} a.ts`, `${c} x.ts`]);
  room.edit(c, "a.ts x.ts");
  room.test.advance(RESERVED_MS * 2);
  expect(room.held()).toEqual([`${c} a.ts`, `${c} x.ts`]);
});

test("[CL6] who comes later does not get past an earlier one that waits for more", () => {
  const room = new CoordinationRoom();
  const [a, b, c] = [room.join("a"), room.join("b"), room.join("c")];
  room.claim(a, "a.ts");
  room.claim(b, "a.ts x.ts", { wait: true });
  expect(room.claim(c, "x.ts", { wait: true })).toMatchObject({ state: "queued", position: 2 });
  room.test.accept({ type: "presence.status", sessionId: a, text: "still at it" });
  expect(room.held()).toEqual([`${a} a.ts`]);
  room.release(a, "a.ts");
  expect(room.held()).toEqual([`${b} a.ts`, `${b} x.ts`]);
});

test("[CL6] a place in the line ends with its time, or when it is left", () => {
  const room = new CoordinationRoom();
  const [a, b, c] = [room.join("a"), room.join("b"), room.join("c")];
  room.claim(a, "a.ts");
  room.claim(b, "a.ts", { wait: true, waitMs: 5000 });
  const { ticketId } = room.claim(c, "a.ts", { wait: true });
  room.test.advance(5000);
  room.test.accept({ type: "ticket.cancel", sessionId: c, ticketId });
  room.release(a, "a.ts");
  expect(room.held()).toEqual([]);
});

test("[CL7] a wait that would never end is refused and names the circle", () => {
  const room = new CoordinationRoom();
  const [a, b, c] = [room.join("a"), room.join("b"), room.join("c")];
  room.claim(a, "a.ts");
  room.claim(b, "b.ts");
  room.claim(c, "c.ts");
  room.claim(a, "b.ts", { wait: true });
  room.claim(b, "c.ts", { wait: true });
  const answer = room.test.submit({
    type: "claim.acquire",
    sessionId: c,
    targets: [{ kind: "path", key: "a.ts", label: "a.ts" }],
    worktree: TREE,
    wait: true,
  });
  expect(answer).toMatchObject({
    type: "rejection",
    code: "claim.deadlock",
    message: "waiting would never end: @claude-3 -> @claude-1 -> @claude-2 -> @claude-3",
  });
  expect(
    room.refusal({ type: "wait.start", sessionId: c, condition: { type: "session-ended", sessionId: a } }),
  ).toBe("claim.deadlock");
});

test("[CL8] the end of a session frees what it held, waited for and stood in line for", () => {
  const room = new CoordinationRoom();
  const [a, b, c] = [room.join("a"), room.join("b"), room.join("c")];
  room.claim(a, "a.ts");
  room.claim(b, "a.ts", { wait: true });
  room.claim(c, "a.ts", { wait: true });
  room.end(b);
  room.end(a);
  expect(room.held()).toEqual([`${c} a.ts`]);
});

test("[CL9] another work tree is told of the risk, not refused; resources and whole-repository claims exclude everywhere", () => {
  const room = new CoordinationRoom();
  const a = room.join("a");
  const b = room.join("b", { worktree: "/other", branch: "topic" });
  room.claim(a, "src/main.rs port:3000");
  const answer = room.claim(b, "src/main.rs", { worktree: "/other" });
  expect(answer.risks).toMatchObject([{ sessionId: a, handle: "claude-1", worktree: TREE, branch: "main" }]);
  expect(room.claimRefusal(b, "port:3000", { worktree: "/other" })).toBe("claim.conflict");
  expect(room.claimRefusal(b, "src/", { worktree: null })).toBe("claim.conflict");
  expect(room.edit(b, "src/main.rs", { worktree: "/other" })).toMatchObject({ decision: "allow" });
});

test("[CL10] an edit claims what is free, is refused what a live peer holds, and then claims nothing", () => {
  const room = new CoordinationRoom();
  const [a, b] = [room.join("a"), room.join("b")];
  expect(room.edit(a, "a.ts").decision).toBe("allow");
  expect(room.held()).toEqual([`${a} a.ts`]);
  const refused = room.edit(b, "b.ts a.ts");
  expect([refused.decision, refused.blockers[0]?.handle]).toEqual(["deny", "claude-1"]);
  expect(room.held()).toEqual([`${a} a.ts`]);
  expect(room.edit(b, "a.ts", { enforcement: "ask" }).decision).toBe("ask");
  expect(room.edit(b, "a.ts", { enforcement: "warn" }).decision).toBe("warn");
  expect(room.edit(b, "a.ts", { enforcement: "off" }).decision).toBe("allow");
});

test("[CL10] an edit inside one's own folder claim makes no further claim", () => {
  const room = new CoordinationRoom();
  const a = room.join("a");
  room.claim(a, "src/");
  room.edit(a, "src/x.ts");
  expect(room.held()).toEqual([`${a} src/`]);
});

test("[CL10] what an edit claimed lasts ten minutes from its last use", () => {
  const room = new CoordinationRoom();
  const a = room.join("a");
  room.edit(a, "a.ts b.ts");
  room.test.advance(400_000);
  room.edit(a, "a.ts");
  room.test.advance(300_000);
  expect(room.held()).toEqual([`${a} a.ts`]);
});

test("[CL11] only a person takes claims by force, and says why", () => {
  const room = new CoordinationRoom();
  const [a, b] = [room.join("a"), room.join("b")];
  const claimIds = room.claim(a, "a.ts").claims.map((claim) => claim.claimId);
  const command = { type: "claim.force", claimIds, reason: "it hangs" };
  expect(room.refusal(command, { kind: "agent", id: b })).toBe("claim.not-holder");
  expect(room.refusal({ ...command, reason: "" })).toBe("command.invalid");
  room.digest(a);
  room.digest(b);
  expect(room.refusal(command)).toBe(null);
  expect(room.held()).toEqual([]);
  expect(room.digest(a)).toContain("no longer holds a.ts (forced): ada@example.org: it hangs");
  expect(room.digest(b)).toContain("no longer holds a.ts (forced): ada@example.org: it hangs");
});

test("[CL11] what is handed over goes to the receiver before those in line", () => {
  const room = new CoordinationRoom();
  const [a, b, c] = [room.join("a"), room.join("b"), room.join("c")];
  const claimIds = room.claim(a, "a.ts").claims.map((claim) => claim.claimId);
  room.claim(b, "a.ts", { wait: true });
  room.test.accept({ type: "claim.hand-over", sessionId: a, claimIds, to: "@claude-3" });
  expect(room.held()).toEqual([`${c} a.ts`]);
  expect(room.digest(c)).toContain("a.ts is yours");
  room.test.advance(RESERVED_MS);
  expect(room.held()).toEqual([`${b} a.ts`]);
});

test("[CL12] what a session that gives no sign of life holds can be taken", () => {
  const room = new CoordinationRoom();
  const a = room.join("a", { pid: null });
  const b = room.join("b");
  room.claim(a, "a.ts");
  expect(room.claimRefusal(b, "a.ts")).toBe("claim.conflict");
  room.test.accept({
    type: "presence.report-dead",
    sessions: [{ sessionId: a, process: null, reason: "silent" }],
  });
  expect(room.edit(b, "a.ts").decision).toBe("allow");
  expect(room.held()).toEqual([`${b} a.ts`]);
});

test("[CL13] a session asks for at most 60 claims in a minute; what edits claim does not count", () => {
  const room = new CoordinationRoom();
  const a = room.join("a");
  for (let index = 0; index < 100; index += 1) room.edit(a, `auto-${index}.ts`);
  for (let index = 0; index < 60; index += 1) room.claim(a, `asked-${index}.ts`);
  expect(room.claimRefusal(a, "one-more.ts")).toBe("rate.limited");
  room.test.advance(60_001);
  expect(room.claimRefusal(a, "one-more.ts")).toBe(null);
});

test.each(["../x", "a/../../x", "nosuch:", "port:"])("[CL14] %s is refused as a target", (text) => {
  const room = new CoordinationRoom();
  expect(room.claimRefusal(room.join("a"), text)).toBe("claim.bad-target");
});

test("[KR4] coordination is rebuilt from the journal, byte for byte", () => {
  const room = new CoordinationRoom();
  const [a, b] = [room.join("a"), room.join("b")];
  room.claim(a, "a.ts src/");
  room.claim(b, "a.ts", { wait: true });
  room.edit(b, "z.ts");
  room.test.accept({ type: "edit.end", sessionId: b, worktree: TREE, keys: ["z.ts"] });
  room.send(a, "all", "hello");
  room.wait(b, { type: "session-ended", sessionId: a });
  room.digest(b);
  room.end(a);
  const before = room.test.dump();
  room.test.room.replay();
  expect(room.test.dump()).toEqual(before);
});
