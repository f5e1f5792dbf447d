import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { Room, projectRoom } from "@canopy/core";
import { openNodeStorage } from "@canopy/store";
import { WebSocketServer } from "ws";
import { TEST_TOKEN, startTestServer } from "../packages/client/src/contract/start-test-server.ts";
import { hostRoom } from "../packages/testkit/src/open-test-host.ts";
import type { BenchResult } from "./bench-result.ts";
import { percentileOf, rounded } from "./measure.ts";

const SUBSCRIBERS = [1, 100, 1000];
const EVENTS = 60;
const PAUSE_MS = 100;
const PERSON = { kind: "person", id: "ada" } as const;

/** 16 digits, so that it can be found without parsing. */
function sentMark(): string {
  return `sent:${Math.round((performance.timeOrigin + performance.now()) * 1000)}`;
}

/** Lets so many subscribers, in a process of their own, read what `publish` sends; returns all latencies in ms. */
async function measure(url: string, count: number, hello: string, publish: () => void): Promise<number[]> {
  const script = join(import.meta.dirname, "event-subscribers.ts");
  const child = spawn(process.execPath, [script, url, String(count), hello], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const ready = await lines.next();
  if (ready.value !== "ready") throw new Error("the subscribers did not come up");
  for (let sent = 0; sent < EVENTS; sent += 1) {
    publish();
    await delay(PAUSE_MS);
  }
  await delay(500);
  child.kill("SIGTERM");
  const answer = await lines.next();
  await exited;
  const latencies: unknown = JSON.parse(String(answer.value));
  if (!Array.isArray(latencies) || latencies.length !== count * EVENTS) throw new Error("events are missing");
  return latencies.map((microseconds) => Number(microseconds) / 1000);
}

async function measureBare(count: number): Promise<number[]> {
  const http = createServer();
  const sockets = new WebSocketServer({ server: http, perMessageDeflate: false });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const address = http.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  try {
    // As long as an event of a task is.
    const padding = "x".repeat(650);
    return await measure(`ws://127.0.0.1:${port}`, count, "", () => {
      const bytes = Buffer.from(JSON.stringify({ type: "event", text: sentMark(), padding }));
      for (const socket of sockets.clients) socket.send(bytes, { binary: false });
    });
  } finally {
    for (const socket of sockets.clients) socket.terminate();
    sockets.close();
    http.close();
  }
}

async function measureRoom(count: number): Promise<number[]> {
  const folder = mkdtempSync(join(tmpdir(), "canopy-bench-"));
  try {
    using storage = openNodeStorage(join(folder, "room.db"));
    const room = hostRoom(new Room(projectRoom, storage), { nowMs: Date.now() });
    const host = { room: (address: string) => (address === "project/prj_bench" ? room : undefined) };
    await using server = await startTestServer({ host });
    const hello = JSON.stringify({ type: "subscribe", room: "project/prj_bench" });
    const url = `ws://127.0.0.1:${server.port}/ws?token=${TEST_TOKEN}`;
    let number = 0;
    return await measure(url, count, hello, () => {
      number += 1;
      const command = { type: "task.create", task: { title: sentMark() } };
      room.submit({ key: `bench-${number}`, actor: PERSON, command });
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Latency from a command to 1, 100 and 1,000 subscribers, against bare `ws` in the same run. */
export async function run(): Promise<BenchResult> {
  const rows: (string | number)[][] = [];
  for (const count of SUBSCRIBERS) {
    const kinds = [["bare ws", measureBare] as const, ["room", measureRoom] as const];
    for (const [name, measureKind] of kinds) {
      const latencies = await measureKind(count);
      const at = (share: number): number => rounded(percentileOf(latencies, share));
      rows.push([name, count, at(0.5), at(0.99), at(1)]);
    }
  }
  return {
    name: "events",
    columns: ["what", "subscribers", "p50 ms", "p99 ms", "max ms"],
    rows,
    notes: [
      `${EVENTS} events, one every ${PAUSE_MS} ms; all subscribers in one other process on the same machine`,
      "room: from before the command is submitted (decide, journal, project, commit) until the frame is read; bare ws: from before the send",
    ],
  };
}
