import type { LiveMessage } from "@canopy/core";
import { brandId } from "@canopy/protocol";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { FakeSocket } from "../contract/fake-socket.ts";
import { createFakeSocket, describeFrame } from "../contract/fake-socket.ts";
import type { TestServer } from "../contract/open-test-server.ts";
import { openTestServer } from "../contract/open-test-server.ts";
import type { SocketHandler } from "./socket-port.ts";

const ROOM = "project/prj_web";
let server: TestServer;

beforeEach(() => {
  vi.useFakeTimers();
  server = openTestServer();
});
afterEach(() => {
  server[Symbol.dispose]();
  vi.useRealTimers();
});

function connect(): { socket: FakeSocket; handler: SocketHandler; ask: (frame: object) => void } {
  const socket = createFakeSocket();
  const handler = server.server.handleSocket(socket);
  return { socket, handler, ask: (frame) => handler.message(JSON.stringify(frame)) };
}

let keyCount = 0;
function addTask(title = "x"): void {
  keyCount += 1;
  const answer = server.host.room(ROOM)?.submit({
    key: `add-${keyCount}`,
    actor: { kind: "person", id: "ada" },
    command: { type: "task.create", task: { title } },
  });
  expect(answer?.type).toBe("accepted");
}

function live(text: string, kind: "message" | "thought" = "message", session = "ses_a"): LiveMessage {
  const delta = { sessionId: brandId("session", session), turnId: brandId("turn", "trn_a"), kind, text };
  return { type: "live", delta };
}

const told = (socket: FakeSocket): string[] => socket.frames.map((frame) => describeFrame(frame));
/** Long enough for events to go out, and for live text to be gathered. */
const settle = (): void => void vi.advanceTimersByTime(100);

test("a client is greeted, gets a snapshot, then every event in order", () => {
  addTask("before");
  const { socket, ask } = connect();
  ask({ type: "subscribe", room: ROOM });
  addTask();
  addTask();
  settle();
  expect(told(socket)).toEqual(["hello", "snapshot 1", "event 2", "event 3"]);
  expect(socket.frames[1]).toMatchObject({ room: ROOM, state: { tasks: [{ title: "before" }] } });
});

test("a client that comes back gets what it missed, and a snapshot when its cursor is of another database", () => {
  for (let count = 0; count < 4; count += 1) addTask();
  const first = connect();
  first.ask({ type: "subscribe", room: ROOM, afterSeq: 2 });
  const second = connect();
  second.ask({ type: "subscribe", room: ROOM, afterSeq: 99 });
  const third = connect();
  third.ask({ type: "subscribe", room: ROOM, afterSeq: 4 });
  addTask();
  settle();
  expect([told(first.socket), told(second.socket), told(third.socket)]).toEqual([
    ["hello", "event 3", "event 4", "event 5"],
    ["hello", "snapshot 4", "event 5"],
    ["hello", "event 5"],
  ]);
});

test("one socket serves several rooms; unsubscribing ends one; subscribing again starts over", () => {
  const { socket, ask } = connect();
  ask({ type: "subscribe", room: ROOM });
  ask({ type: "subscribe", room: "node" });
  ask({ type: "unsubscribe", room: ROOM });
  addTask();
  server.host.addProject("other");
  settle();
  ask({ type: "subscribe", room: "node" });
  expect(told(socket)).toEqual(["hello", "snapshot 0", "snapshot 1", "event 2", "snapshot 2"]);
});

test("what a client sends wrong is answered with an error frame, and the rest goes on", () => {
  const { socket, handler, ask } = connect();
  handler.message("{");
  ask({ type: "subscribe", room: "project/../etc" });
  ask({ type: "subscribe", room: "project/prj_other" });
  ask({ type: "bogus" });
  handler.message("x".repeat(70_000));
  ask({ type: "subscribe", room: ROOM });
  expect(told(socket)).toEqual([
    "hello",
    "error request.invalid",
    "error request.invalid",
    "error thing.not-found",
    "error request.invalid",
    "error request.too-large",
    "snapshot 0",
  ]);
  expect(socket.frames[3]).toMatchObject({ error: { data: { room: "project/prj_other" } } });
});

test("live text is gathered per session, only for who asked, and before the events that follow it", () => {
  const watching = connect();
  watching.ask({ type: "subscribe", room: ROOM, live: true });
  const other = connect();
  other.ask({ type: "subscribe", room: ROOM });
  const room = server.host.room(ROOM);
  for (const message of [
    live("a"),
    live("b"),
    live("x", "message", "ses_b"),
    live("c"),
    live("?", "thought"),
    live("d"),
  ])
    room?.publishLive(message);
  for (const text of ["one", "two"])
    room?.publishLive({ type: "activity", activity: { attemptId: "att_a", taskId: "tsk_a", text, atMs: 1 } });
  addTask();
  settle();
  room?.publishLive(live("e"));
  settle();
  expect([told(watching.socket), told(other.socket)]).toEqual([
    [
      "hello",
      "snapshot 0",
      "live message abc",
      "live message x",
      "live thought ?",
      "live message d",
      "activity two",
      "event 1",
      "live message e",
    ],
    ["hello", "snapshot 0", "event 1"],
  ]);
});

test("a slow client is not buffered without end: it is fed from the journal when it reads again", () => {
  const { socket, ask } = connect();
  const fast = connect();
  ask({ type: "subscribe", room: ROOM });
  fast.ask({ type: "subscribe", room: ROOM });
  socket.isReading = false;
  const text = "x".repeat(499);
  for (let count = 0; count < 4000; count += 1) addTask(text);
  settle();
  expect(told(fast.socket).length).toBe(4002);
  expect(socket.bufferedBytes()).toBeLessThan(1_048_576 + 2000);
  const before = told(socket).length;
  expect(before).toBeLessThan(2000);
  socket.isReading = true;
  socket.drain();
  expect(told(socket)).toEqual(told(fast.socket));
});

test("a client that fell far behind starts over with a snapshot", () => {
  const { socket, ask } = connect();
  ask({ type: "subscribe", room: ROOM });
  socket.isReading = false;
  for (let count = 1; count <= 12_500; count += 1) {
    addTask("y".repeat(400));
    if (count % 2500 === 0) settle();
  }
  const before = told(socket).length;
  socket.isReading = true;
  socket.drain();
  expect(told(socket).slice(before)).toEqual(["snapshot 12500"]);
  addTask();
  settle();
  expect(told(socket).at(-1)).toBe("event 12501");
});

test("who answers no ping is cut, who answers stays", () => {
  const dead = connect();
  const alive = connect();
  vi.advanceTimersByTime(30_000);
  alive.handler.pong();
  vi.advanceTimersByTime(30_000);
  expect([dead.socket.closes, alive.socket.closes, alive.socket.pingCount]).toEqual([
    [[1008, "no answer to a ping"]],
    [],
    2,
  ]);
});

test("who answers pings but takes nothing is cut, and resumes by its cursor", () => {
  const { socket, handler, ask } = connect();
  ask({ type: "subscribe", room: ROOM });
  socket.isReading = false;
  for (let count = 0; count < 3000; count += 1) addTask("z".repeat(499));
  for (let count = 0; count < 2; count += 1) {
    vi.advanceTimersByTime(30_000);
    handler.pong();
  }
  expect(socket.closes).toEqual([[1013, "too slow; resume by cursor"]]);
});

test("after closing nothing is left: no subscriber, no timer", () => {
  const { handler, ask } = connect();
  ask({ type: "subscribe", room: ROOM, live: true });
  expect(server.server.feeds.counts.subscribers).toEqual({ socket: 1, stream: 0 });
  server.host.room(ROOM)?.publishLive(live("a"));
  addTask();
  handler.closed();
  expect([server.server.feeds.counts.subscribers, vi.getTimerCount()]).toEqual([{ socket: 0, stream: 0 }, 0]);
});
