import { afterEach, beforeEach, expect, test } from "vitest";
import type { TestServer } from "../contract/open-test-server.ts";
import { openTestServer } from "../contract/open-test-server.ts";

const STREAM = "/api/v1/projects/prj_web/events/stream";
let server: TestServer;

beforeEach(() => {
  server = openTestServer();
});
afterEach(() => {
  server[Symbol.dispose]();
});

/** Reads a stream until it has sent so many messages; returns them in short. */
async function readMessages(response: Response, count: number): Promise<string[]> {
  const messages: string[] = [];
  let text = "";
  const decoder = new TextDecoder();
  const reader = (response.body ?? new ReadableStream<Uint8Array>()).getReader();
  while (messages.length < count) {
    const { value, done } = await reader.read();
    if (done) break;
    text += decoder.decode(value, { stream: true });
    const parts = text.split("\n\n");
    text = parts.pop() ?? "";
    messages.push(...parts.map((part) => part.replace(/\ndata: .*/s, "").replaceAll("\n", " ")));
  }
  await reader.cancel();
  return messages;
}

async function addTasks(count: number, title = "x"): Promise<void> {
  for (let index = 0; index < count; index += 1)
    await server.ask("POST", "/projects/prj_web/tasks", { title });
}

test("a stream begins with a snapshot and goes on with every event", async () => {
  await addTasks(1);
  const response = await server.request("GET", STREAM);
  expect(response.headers.get("content-type")).toBe("text/event-stream");
  const reading = readMessages(response, 4);
  await addTasks(3);
  expect(await reading).toEqual([
    "id: 1 event: snapshot",
    "id: 2 event: event",
    "id: 3 event: event",
    "id: 4 event: event",
  ]);
});

test("Last-Event-ID and after resume where the reader was; the header wins", async () => {
  await addTasks(3);
  const byHeader = await server.request("GET", `${STREAM}?after=0`, undefined, { "last-event-id": "2" });
  const byQuery = await server.request("GET", `${STREAM}?after=1`);
  expect([await readMessages(byHeader, 1), await readMessages(byQuery, 2)]).toEqual([
    ["id: 3 event: event"],
    ["id: 2 event: event", "id: 3 event: event"],
  ]);
});

test("any room can be streamed; an unknown one is not found", async () => {
  const node = await server.request("GET", "/api/v1/events/stream?room=node");
  expect(await readMessages(node, 1)).toEqual(["id: 1 event: snapshot"]);
  const none = await server.request("GET", "/api/v1/events/stream?room=project/prj_none");
  expect(none.status).toBe(404);
});

test("live messages come only when asked for, and carry no id", async () => {
  const response = await server.request("GET", `${STREAM}?live=true`);
  const activity = { attemptId: "att_a", taskId: "tsk_a", text: "reads", atMs: 1 };
  server.host.room("project/prj_web")?.publishLive({ type: "activity", activity });
  expect(await readMessages(response, 2)).toEqual(["id: 0 event: snapshot", "event: activity"]);
});

test("a reader that stops is told nothing more, and leaves no subscriber behind", async () => {
  const response = await server.request("GET", STREAM);
  expect(server.server.feeds.counts.subscribers.stream).toBe(1);
  await readMessages(response, 1);
  expect(server.server.feeds.counts.subscribers.stream).toBe(0);
});

test("a reader that lags is fed from the journal, complete and in order", async () => {
  const response = await server.request("GET", STREAM);
  const room = server.host.room("project/prj_web");
  for (let count = 0; count < 4000; count += 1) {
    const command = { type: "task.create", task: { title: "x".repeat(499) } };
    room?.submit({ key: `lag-${count}`, actor: { kind: "person", id: "ada" }, command });
  }
  const messages = await readMessages(response, 4001);
  const wanted = Array.from({ length: 4000 }, (_, index) => `id: ${index + 1} event: event`);
  expect(messages).toEqual(["id: 0 event: snapshot", ...wanted]);
});
