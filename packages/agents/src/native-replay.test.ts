import { Buffer } from "node:buffer";
import type { AgentEvent } from "@canopy/protocol";
import { findEventFaults, listNativeFixtures, readNativeFixture } from "@canopy/testkit";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { ClaudeMapper } from "./claude/map-claude-message.ts";
import { CodexMapper } from "./codex/map-codex-event.ts";
import { EventQueue } from "./event-queue.ts";
import { EventWriter } from "./event-writer.ts";
import { readJsonLines } from "./session/json-lines.ts";
import type { JsonMessage } from "./session/json-lines.ts";

const FIXTURES = [...listNativeFixtures("claude"), ...listNativeFixtures("codex")];

/** Requests and answers are the link's business, not the mapper's. */
function isForMapper(name: string, message: JsonMessage): boolean {
  if (name.startsWith("codex")) return typeof message["method"] === "string" && !("id" in message);
  return !String(message["type"]).startsWith("control_");
}

interface Replay {
  readonly take: (message: JsonMessage) => void;
  readonly finish: () => Promise<AgentEvent[]>;
  readonly notices: string[];
}

function openReplay(name: string): Replay {
  const queue = new EventQueue();
  queue.unbound();
  const writer = new EventWriter(queue);
  const claude = new ClaudeMapper(writer);
  const codex = new CodexMapper(writer);
  return {
    notices: [],
    take: (message) => {
      if (!isForMapper(name, message)) return;
      if (name.startsWith("claude")) claude.take(message);
      else codex.take(String(message["method"]), message["params"]);
    },
    finish: async () => {
      writer.endTurn("end_turn", null);
      queue.end();
      const events: AgentEvent[] = [];
      for await (const event of queue) events.push(event);
      return events;
    },
  };
}

async function replayBytes(name: string, chunks: readonly Uint8Array[]): Promise<AgentEvent[]> {
  const replay = openReplay(name);
  const stdout = (async function* print() {
    yield* chunks;
  })();
  await readJsonLines(stdout, {
    onMessage: replay.take,
    onNotice: (text) => replay.notices.push(text),
    room: () => null,
  });
  return replay.finish();
}

function summarize(events: readonly AgentEvent[]): unknown {
  const counts: Record<string, number> = {};
  for (const { type } of events) counts[type] = (counts[type] ?? 0) + 1;
  return counts;
}

function fixtureBytes(name: string): Buffer {
  return Buffer.from(
    readNativeFixture(name)
      .map((message) => `${JSON.stringify(message)}\n`)
      .join(""),
  );
}

test.each(FIXTURES)("%s becomes well-formed canonical events, with nothing unknown", async (name) => {
  const events = await replayBytes(name, [fixtureBytes(name)]);
  expect(findEventFaults(events)).toEqual([]);
  expect(events.filter((event) => event.type === "raw")).toEqual([]);
  expect(summarize(events)).toMatchSnapshot();
});

test("codex passes over a refusal: an answer has begun of which nothing is told", () => {
  const unread = ["codex-refusal.jsonl", "codex-app-server.jsonl"].map((name) => {
    const mapper = new CodexMapper(new EventWriter(new EventQueue()));
    for (const message of readNativeFixture(name))
      if (isForMapper(name, message)) mapper.take(String(message["method"]), message["params"]);
    return mapper.hasUnreadAnswer;
  });
  expect(unread).toEqual([true, false]);
});

test("what is not known is kept as it came", async () => {
  for (const [name, message] of [
    ["claude", { type: "brand_new", value: 1 }],
    ["codex", { method: "item/brandNew", params: { value: 1 } }],
  ] as const) {
    const events = await replayBytes(name, [Buffer.from(JSON.stringify(message))]);
    expect(events.map((event) => event.type)).toEqual(["raw", "turn.ended"]);
  }
});

test("cut, overwritten, repeated and reordered bytes never break a mapper, and what came before is kept", async () => {
  const damage = fc.record({
    name: fc.constantFrom(...FIXTURES),
    start: fc.nat(60_000),
    end: fc.nat(60_000),
    noise: fc.uint8Array({ maxLength: 40 }),
    chunkBytes: fc.integer({ min: 50, max: 9_000 }),
    order: fc.nat(1000),
  });
  await fc.assert(
    fc.asyncProperty(damage, async ({ name, start, end, noise, chunkBytes, order }) => {
      const bytes = fixtureBytes(name);
      const lines = readNativeFixture(name);
      const shuffled = lines.map((_line, index) => lines[(index * 7 + order) % lines.length]);
      const extra = Buffer.from(shuffled.map((line) => `${JSON.stringify(line)}\n`).join(""));
      const cut = Math.min(start, bytes.length);
      const damaged = Buffer.concat([
        bytes.subarray(0, cut),
        noise,
        bytes.subarray(Math.min(end, bytes.length)),
        extra,
      ]);
      const chunks: Buffer[] = [];
      for (let at = 0; at < damaged.length; at += chunkBytes)
        chunks.push(damaged.subarray(at, at + chunkBytes));
      const events = await replayBytes(name, chunks);
      expect(findEventFaults(events)).toEqual([]);
      // Whole lines before the damage give the events that they give alone, but for the end of the turn.
      const whole = bytes.subarray(0, bytes.lastIndexOf(0x0a, cut) + 1);
      const alone = await replayBytes(name, [whole]);
      const tools = (list: readonly AgentEvent[]): number =>
        list.filter((event) => event.type === "tool.started").length;
      expect(tools(events)).toBeGreaterThanOrEqual(tools(alone));
    }),
    { numRuns: 60 },
  );
});

test("a line of 70 MB is left out and told, and the next one is read", async () => {
  const notices: string[] = [];
  const messages: JsonMessage[] = [];
  const stdout = (async function* print() {
    const piece = Buffer.alloc(10 * 1024 * 1024, 0x61);
    for (let count = 0; count < 7; count += 1) yield piece;
    yield Buffer.from('\n{"type":"next"}\n\xff\xfe{\n');
  })();
  await readJsonLines(stdout, {
    onMessage: (message) => messages.push(message),
    onNotice: (text) => notices.push(text),
    room: () => null,
  });
  expect(messages).toEqual([{ type: "next" }]);
  expect(notices.length).toBe(2);
});
