import { Buffer } from "node:buffer";
import type { AgentEvent } from "@canopy/protocol";
import { createFakeChild, findEventFaults, listAcpFixtures, readAcpFixture } from "@canopy/testkit";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { AgentStartSpec } from "../agent-driver.ts";
import { EventQueue } from "../event-queue.ts";
import { EventWriter } from "../event-writer.ts";
import { createAcpDriver } from "./acp-driver.ts";
import { openAcpWire } from "./acp-wire.ts";
import { mapSessionUpdate } from "./map-update.ts";

async function drain(queue: EventQueue): Promise<AgentEvent[]> {
  queue.end();
  const events: AgentEvent[] = [];
  for await (const event of queue) events.push(event);
  return events;
}

async function replay(name: string): Promise<AgentEvent[]> {
  const queue = new EventQueue();
  const writer = new EventWriter(queue);
  for (const { direction, message } of readAcpFixture(name)) {
    if (direction === "<<" && message["method"] === "session/update")
      mapSessionUpdate(writer, message["params"]);
  }
  writer.endTurn("end_turn", null);
  return drain(queue);
}

function summarize(events: readonly AgentEvent[]): unknown {
  const counts: Record<string, number> = {};
  for (const { type } of events) counts[type] = (counts[type] ?? 0) + 1;
  return counts;
}

test("all recorded agents are there", () => {
  expect(listAcpFixtures().length).toBe(15);
});

test.each(listAcpFixtures())("%s becomes well-formed canonical events", async (name) => {
  const events = await replay(name);
  expect(findEventFaults(events)).toEqual([]);
  expect(summarize(events)).toMatchSnapshot();
  const expected = new Set(["acp.usage_update", "acp.session_info_update", "acp.user_message_chunk"]);
  const unknown = events.filter((event) => event.type === "raw" && !expected.has(event.source));
  expect(unknown).toEqual([]);
});

test("claude's edit becomes one tool call with its diff", async () => {
  const events = await replay("acp-claude.jsonl");
  const ended = events.find((event) => event.type === "tool.ended");
  expect(ended?.type === "tool.ended" ? ended.tool : null).toEqual({
    toolCallId: "toolu_6a2a099ce81c47649545b06f",
    kind: "edit",
    title: "Write hello.txt",
    state: "completed",
    locations: [{ path: "/home/dev/w/acp-claude/hello.txt" }],
    input: { file_path: "/home/dev/w/acp-claude/hello.txt", content: "hello" },
    output:
      "File created successfully at: /home/dev/w/acp-claude/hello.txt (file state is current in your context — no need to Read it back)",
    diffs: [{ path: "/home/dev/w/acp-claude/hello.txt", oldText: null, newText: "hello" }],
  });
});

test("over ACP gemini tells nothing of an answer that was stopped for safety, or of a prompt that was blocked", async () => {
  const told = ["acp-gemini-safety.jsonl", "acp-gemini-blocked.jsonl"].map((name) =>
    readAcpFixture(name)
      .filter(({ direction }) => direction === "<<")
      .map(({ message }) => message)
      .filter(
        (message) => message["id"] === 2 || /safety|block|refus|prohibit/i.test(JSON.stringify(message)),
      ),
  );
  expect(
    told.map((answers) => answers.map(({ result }) => Reflect.get(Object(result), "stopReason"))),
  ).toEqual([["end_turn"], ["end_turn"]]);
  const texts = (await replay("acp-gemini-blocked.jsonl")).filter(({ type }) => type === "message.done");
  expect(texts).toEqual([]);
});

test("codex-acp's hidden failure is noticed", () => {
  const writer = new EventWriter(new EventQueue());
  const failures = readAcpFixture("acp-codex2.jsonl")
    .filter(({ direction, message }) => direction === "<<" && message["method"] === "session/update")
    .filter(({ message }) => mapSessionUpdate(writer, message["params"]).hasSystemError);
  expect(failures.length).toBe(1);
});

/** Reads bytes through the whole transport, as if an agent had printed them. */
async function readWire(
  chunks: readonly Uint8Array[],
): Promise<{ events: AgentEvent[]; messages: unknown[] }> {
  const queue = new EventQueue();
  queue.unbound();
  const writer = new EventWriter(queue);
  const { readable } = openAcpWire(
    createFakeChild(
      (async function* print() {
        yield* chunks;
      })(),
    ),
    {
      onNotification: (_method, params) => void mapSessionUpdate(writer, params),
      onNotice: (text) => writer.emit({ type: "notice", level: "warn", text }),
      room: () => null,
    },
  );
  const messages: unknown[] = [];
  for await (const message of readable) messages.push(message);
  writer.endTurn("end_turn", null);
  return { events: await drain(queue), messages };
}

function fixtureBytes(name: string): Buffer {
  const lines = readAcpFixture(name).filter(({ direction }) => direction === "<<");
  return Buffer.from(lines.map(({ message }) => `${JSON.stringify(message)}\n`).join(""));
}

test("cut, overwritten and repeated bytes of recorded agents never break the transport or the events", async () => {
  const names = listAcpFixtures().filter((name) => fixtureBytes(name).length < 40_000);
  const damage = fc.record({
    name: fc.constantFrom(...names),
    start: fc.nat(40_000),
    end: fc.nat(40_000),
    noise: fc.uint8Array({ maxLength: 40 }),
    chunkBytes: fc.integer({ min: 1, max: 9_000 }),
  });
  await fc.assert(
    fc.asyncProperty(damage, async ({ name, start, end, noise, chunkBytes }) => {
      const bytes = fixtureBytes(name);
      const damaged = Buffer.concat([
        bytes.subarray(0, start),
        noise,
        bytes.subarray(Math.min(end, bytes.length)),
      ]);
      const chunks: Buffer[] = [];
      for (let at = 0; at < damaged.length; at += chunkBytes)
        chunks.push(damaged.subarray(at, at + chunkBytes));
      const { events } = await readWire(chunks);
      expect(findEventFaults(events)).toEqual([]);
    }),
    { numRuns: 150 },
  );
});

test("updates of any shape become events or raw ones", async () => {
  const kinds = [
    "tool_call",
    "tool_call_update",
    "plan",
    "usage_update",
    "notice",
    "agent_message_chunk",
    "new_kind",
  ];
  const update = fc.record({ sessionUpdate: fc.constantFrom(...kinds) }, { requiredKeys: ["sessionUpdate"] });
  const extra = fc.dictionary(
    fc.constantFrom(
      "toolCallId",
      "content",
      "entries",
      "cost",
      "status",
      "title",
      "rawInput",
      "locations",
      "_meta",
    ),
    fc.jsonValue(),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(update, extra), { maxLength: 8 }), async (updates) => {
      const queue = new EventQueue();
      const writer = new EventWriter(queue);
      for (const [base, rest] of updates) mapSessionUpdate(writer, { update: { ...rest, ...base } });
      for (const strange of [null, 7, "x", [], {}, { update: 3 }]) mapSessionUpdate(writer, strange);
      writer.endTurn("end_turn", null);
      expect(findEventFaults(await drain(queue))).toEqual([]);
    }),
  );
});

test("garbage on standard output becomes one notice, and what follows is read", async () => {
  const chunk = Buffer.concat([
    Buffer.from('npm warn something\n[1,2]\n"text"\n'),
    Buffer.from([0xff, 0xfe, 0x0a]),
    Buffer.from('{"jsonrpc":"2.0","id":99,"result":{}}\n{"jsonrpc":"2.0","id":1,"method":"x"}\n'),
  ]);
  const { events, messages } = await readWire([chunk]);
  expect(messages).toEqual([{ jsonrpc: "2.0", id: 1, method: "x", params: undefined }]);
  expect(events[0]).toEqual({
    type: "notice",
    level: "warn",
    text: "not a protocol message: npm warn something (and 4 more lines)",
  });
});

test("a message of 20 MB is read, one of more than 64 MB is left out with a notice", async () => {
  const big = (bytes: number): Buffer => {
    const update = {
      sessionUpdate: "agent_message_chunk",
      content: { type: "text", text: "y".repeat(bytes) },
    };
    return Buffer.from(
      `${JSON.stringify({ jsonrpc: "2.0", method: "session/update", params: { update } })}\n`,
    );
  };
  const { events } = await readWire([big(20 * 1024 * 1024), big(65 * 1024 * 1024), big(1)]);
  const length = events.reduce(
    (sum, event) => sum + (event.type === "message.done" ? event.text.length : 0),
    0,
  );
  expect(length).toBe(20 * 1024 * 1024 + 1);
  expect(events.filter((event) => event.type === "notice")).toEqual([
    { type: "notice", level: "warn", text: "left out a message of more than 64 MB" },
  ]);
});

test("an update nested too deeply is a notice, not the end", async () => {
  const deep = `${"[".repeat(50_000)}${"]".repeat(50_000)}`;
  const spec = createStartSpec([
    '{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":1,"agentCapabilities":{}}}',
    '{"jsonrpc":"2.0","id":1,"result":{"sessionId":"s"}}',
    `{"jsonrpc":"2.0","method":"session/update","params":{"update":{"sessionUpdate":"tool_call","toolCallId":"t","rawInput":${deep}}}}`,
    '{"jsonrpc":"2.0","method":"session/update","params":{"update":{"sessionUpdate":"current_mode_update","currentModeId":"plan"}}}',
  ]);
  const session = await createAcpDriver({
    name: "fake",
    command: ["fake"],
    graces: { endInputMs: 10 },
  }).start(spec);
  const seen: AgentEvent[] = [];
  for await (const event of session.events) {
    seen.push(event);
    if (event.type === "mode.changed") break;
  }
  expect(seen.at(-1)).toEqual({ type: "mode.changed", mode: "plan" });
  await session.close();
});

async function* printLines(
  lines: readonly string[],
  input: readonly string[],
  ended: Promise<void>,
): AsyncGenerator<Uint8Array> {
  for (const [index, line] of lines.entries()) {
    while (input.length < Math.min(index + 1, 2)) await new Promise(setImmediate);
    yield Buffer.from(`${line}\n`);
  }
  await ended;
}

/** A start on a process in memory that answers each request with the next lines. */
function createStartSpec(lines: readonly string[]): AgentStartSpec {
  return {
    spawn: () => {
      const input: string[] = [];
      const { promise: ended, resolve: end } = Promise.withResolvers<void>();
      const child = createFakeChild(printLines(lines, input, ended), undefined, input);
      void child.exited.then(() => end());
      return Promise.resolve(child);
    },
    cwd: "/",
    env: {},
    model: null,
    systemAppend: null,
    mcpServers: [],
    permissionPolicy: "allow-all",
    resume: null,
    task: null,
    signal: new AbortController().signal,
  };
}

test("an agent whose events nobody reads is held back", async () => {
  let printedBytes = 0;
  const update = { sessionUpdate: "agent_message_chunk", content: { type: "text", text: "z".repeat(1_000) } };
  const line = Buffer.from(
    `${JSON.stringify({ jsonrpc: "2.0", method: "session/update", params: { update } })}\n`,
  );
  const spec = createStartSpec([
    '{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":1,"agentCapabilities":{}}}',
    '{"jsonrpc":"2.0","id":1,"result":{"sessionId":"s"}}',
  ]);
  const spawn: AgentStartSpec["spawn"] = async (command, options) => {
    const child = await spec.spawn(command, options);
    async function* flood(): AsyncGenerator<Uint8Array> {
      for await (const chunk of takeTwo(child.stdout)) yield chunk;
      for (let count = 0; count < 100_000; count += 1) {
        printedBytes += line.length;
        yield line;
      }
    }
    return { ...child, stdout: flood() };
  };
  const session = await createAcpDriver({
    name: "fake",
    command: ["fake"],
    graces: { endInputMs: 10 },
  }).start({ ...spec, spawn });
  let before = -1;
  while (before !== printedBytes) {
    before = printedBytes;
    for (let turn = 0; turn < 50; turn += 1) await new Promise(setImmediate);
  }
  expect(printedBytes).toBeGreaterThan(500_000);
  expect(printedBytes).toBeLessThan(2_000_000);
  await session.close();
});

async function* takeTwo(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const iterator = stream[Symbol.asyncIterator]();
  for (let count = 0; count < 2; count += 1) {
    const next = await iterator.next();
    if (next.done !== true) yield next.value;
  }
}
