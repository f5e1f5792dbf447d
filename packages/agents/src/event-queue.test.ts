import type { AgentEvent } from "@canopy/protocol";
import { expect, test } from "vitest";
import { EventQueue } from "./event-queue.ts";

async function readAll(queue: EventQueue): Promise<AgentEvent[]> {
  const events: AgentEvent[] = [];
  for await (const event of queue) events.push(event);
  return events;
}

test("unread deltas of one kind are joined, others keep their place", async () => {
  const queue = new EventQueue();
  for (const text of ["a", "b"]) queue.push({ type: "message.delta", text });
  queue.push({ type: "thought.delta", text: "c" });
  queue.push({ type: "message.delta", text: "d" });
  queue.end();
  queue.push({ type: "message.delta", text: "too late" });
  expect(await readAll(queue)).toEqual([
    { type: "message.delta", text: "ab" },
    { type: "thought.delta", text: "c" },
    { type: "message.delta", text: "d" },
  ]);
});

test("a delta that was read is not changed by a later one", async () => {
  const queue = new EventQueue();
  const reader = queue[Symbol.asyncIterator]();
  queue.push({ type: "message.delta", text: "a" });
  expect(await reader.next()).toEqual({ done: false, value: { type: "message.delta", text: "a" } });
  queue.push({ type: "message.delta", text: "b" });
  expect(await reader.next()).toEqual({ done: false, value: { type: "message.delta", text: "b" } });
});

test("a producer waits while too much is unread and goes on when half of it is read", async () => {
  const queue = new EventQueue();
  const text = "x".repeat(60_000);
  let count = 0;
  while (queue.hasRoom()) {
    queue.push({ type: "notice", level: "info", text });
    count += 1;
  }
  expect(count).toBe(Math.ceil((1024 * 1024) / 60_200));
  let isReleased = false;
  const room = (async (): Promise<void> => {
    await queue.room();
    isReleased = true;
  })();
  const reader = queue[Symbol.asyncIterator]();
  await reader.next();
  await reader.next();
  expect(isReleased).toBe(false);
  for (let index = 0; index < count / 2; index += 1) await reader.next();
  await room;
  expect(queue.hasRoom()).toBe(true);
});

test("a waiting producer is released when the reader goes, at the end, and when the bound is lifted", async () => {
  const releases: ((queue: EventQueue) => unknown)[] = [
    (queue) => queue[Symbol.asyncIterator]().return?.(),
    (queue) => queue.end(),
    (queue) => queue.unbound(),
  ];
  for (const release of releases) {
    const queue = new EventQueue();
    queue.push({ type: "notice", level: "info", text: "x".repeat(2_000_000) });
    expect(queue.hasRoom()).toBe(false);
    const room = queue.room();
    release(queue);
    await room;
    expect(queue.hasRoom()).toBe(true);
  }
});

test("a long queue keeps its order", async () => {
  const queue = new EventQueue();
  const numbers = Array.from({ length: 5_000 }, (_, index) => index);
  for (const number of numbers) queue.push({ type: "model.changed", model: String(number) });
  queue.end();
  const events = await readAll(queue);
  expect(events).toEqual(numbers.map((number) => ({ type: "model.changed", model: String(number) })));
});
