import { Buffer } from "node:buffer";
import type { AgentEvent } from "@canopy/protocol";
import { findEventFaults, listStreamFixtures, readStreamFixture } from "@canopy/testkit";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { createStreamParser } from "./command/stream-parser.ts";
import type { OutputFormat } from "./command/stream-parser.ts";
import { EventQueue } from "./event-queue.ts";
import { EventWriter } from "./event-writer.ts";
import { OpenCodeMapper } from "./opencode/map-opencode-event.ts";
import { openCodeEventSchema } from "./opencode/opencode-schema.ts";
import { readJsonLines } from "./session/json-lines.ts";
import type { JsonMessage } from "./session/json-lines.ts";

type Source = OutputFormat | "opencode-events";

const FIXTURES: readonly (readonly [string, Source])[] = [
  ...listStreamFixtures("codex-").map((name) => [name, "codex"] as const),
  ...listStreamFixtures("gemini-").map((name) => [name, "gemini"] as const),
  ...listStreamFixtures("opencode-run-").map((name) => [name, "opencode"] as const),
  ["opencode-sse.jsonl", "opencode-events"],
  ["opencode-429-sse.txt", "opencode-events"],
  ["opencode-global-event.txt", "opencode-events"],
  ["opencode-messages.json", "opencode-events"],
];

/** What a server tells of a session's past, as the events that told it. */
function fromHistory(text: string): object[] {
  const messages = JSON.parse(text) as { info: object; parts: object[] }[];
  const events: object[] = [];
  for (const { info, parts } of messages) {
    events.push({ type: "message.updated", properties: { info } });
    for (const part of parts) events.push({ type: "message.part.updated", properties: { part } });
  }
  return events;
}

/** One JSON object a line, whatever the recording looks like. */
function toLines(name: string): string {
  const text = readStreamFixture(name);
  if (name.endsWith(".json"))
    return fromHistory(text)
      .map((event) => JSON.stringify(event))
      .join("\n");
  if (name.endsWith(".jsonl")) return text;
  return text
    .split("\n")
    .filter((line) => line.startsWith("data:"))
    .map((line) => line.slice("data:".length).trim())
    .join("\n");
}

/** Events of all folders are wrapped once more. */
function unwrap(message: JsonMessage): unknown {
  return message["payload"] ?? message;
}

async function replay(source: Source, chunks: readonly Uint8Array[]): Promise<AgentEvent[]> {
  const queue = new EventQueue();
  queue.unbound();
  const writer = new EventWriter(queue);
  const mapper = new OpenCodeMapper(writer);
  const parser = source === "opencode-events" ? null : createStreamParser(source, writer);
  const stdout = (async function* print() {
    yield* chunks;
  })();
  await readJsonLines(stdout, {
    onMessage: (message) => {
      if (parser !== null) return parser.take(message);
      const event = openCodeEventSchema.safeParse(unwrap(message));
      if (event.success) mapper.take(event.data);
    },
    onNotice: () => undefined,
    room: () => null,
  });
  writer.endTurn("end_turn", parser?.failure ?? null);
  queue.end();
  const events: AgentEvent[] = [];
  for await (const event of queue) events.push(event);
  return events;
}

function summarize(events: readonly AgentEvent[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { type } of events) counts[type] = (counts[type] ?? 0) + 1;
  return counts;
}

test.each(FIXTURES)("%s becomes well-formed canonical events, with nothing unknown", async (name, source) => {
  const events = await replay(source, [Buffer.from(toLines(name))]);
  expect(findEventFaults(events)).toEqual([]);
  expect(events.filter((event) => event.type === "raw")).toEqual([]);
  expect(summarize(events)).toMatchSnapshot();
});

test("what a stream says of its failure is told apart", async () => {
  const kinds: Record<string, unknown> = {};
  for (const name of ["codex-exec400.jsonl", "codex-exec529.jsonl", "codex-execdrop.jsonl"]) {
    const events = await replay("codex", [Buffer.from(toLines(name))]);
    kinds[name] = events.flatMap((event) => (event.type === "error" ? [event.kind] : []));
  }
  // An overload that codex mends by itself is none.
  expect(kinds).toEqual({
    "codex-exec400.jsonl": ["bad-request"],
    "codex-exec529.jsonl": [],
    "codex-execdrop.jsonl": ["unknown"],
  });
});

test("what is not known is kept as it came", async () => {
  for (const [source, message] of [
    ["codex", { type: "brand.new", value: 1 }],
    ["codex", { type: "item.completed", item: { id: "1", type: "brand_new" } }],
    ["gemini", { type: "brand_new" }],
    ["opencode", { type: "brand_new", part: { id: "1", sessionID: "s", messageID: "m", type: "x" } }],
    ["opencode-events", { type: "brand.new", properties: { value: 1 } }],
  ] as const) {
    const events = await replay(source, [Buffer.from(JSON.stringify(message))]);
    expect(events.map((event) => event.type)).toEqual(["raw", "turn.ended"]);
  }
});

test("cut, overwritten, repeated and reordered bytes never break a parser, and what came before is kept", async () => {
  const damage = fc.record({
    fixture: fc.constantFrom(...FIXTURES),
    start: fc.nat(60_000),
    end: fc.nat(60_000),
    noise: fc.uint8Array({ maxLength: 40 }),
    order: fc.nat(1000),
  });
  await fc.assert(
    fc.asyncProperty(damage, async ({ fixture: [name, source], start, end, noise, order }) => {
      const text = toLines(name);
      const bytes = Buffer.from(text);
      const lines = text.split("\n");
      const shuffled = lines.map((_line, index) => lines[(index * 7 + order) % lines.length]).join("\n");
      const cut = Math.min(start, bytes.length);
      const events = await replay(source, [
        bytes.subarray(0, cut),
        noise,
        bytes.subarray(Math.min(end, bytes.length)),
        Buffer.from(`\n${shuffled}\n`),
      ]);
      expect(findEventFaults(events)).toEqual([]);
      const whole = bytes.subarray(0, bytes.lastIndexOf(0x0a, cut) + 1);
      const tools = (list: readonly AgentEvent[]): number => summarize(list)["tool.started"] ?? 0;
      expect(tools(events)).toBeGreaterThanOrEqual(tools(await replay(source, [whole])));
    }),
    { numRuns: 80 },
  );
});
