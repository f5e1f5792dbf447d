// One client of a random history: claims, renews, gives back, takes by force (as a person) and ends, and writes down what it saw.
import { createHash } from "node:crypto";
import { Agent, request } from "node:http";
import type { ObservedOperation } from "./check-history.ts";

const [socketPath = "", cwd = "", client = "0", seed = "1", count = "100"] = process.argv.slice(2);
const agent = new Agent({ keepAlive: true });
const PATHS = ["a.txt", "b.txt"] as const;
const TTL_MS = 10_000;
const held = new Map<string, string>();

let drawn = 0;
/** Numbers in [0, 1) that the seed alone decides. */
function random(): number {
  drawn += 1;
  return createHash("sha256").update(`${seed}:${drawn}`).digest().readUInt32BE() / 2 ** 32;
}

/** Milliseconds of the machine's monotonic clock, which all processes share. */
function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

function ask(action: object, asPerson: boolean): Promise<{ readonly status: number; readonly body: string }> {
  const as = asPerson ? {} : { agent: "test", nativeSessionId: `client-${client}` };
  const text = JSON.stringify({ cwd, as, action });
  return new Promise((resolve, reject) => {
    const headers = {
      host: "localhost",
      "content-type": "application/json",
      "content-length": Buffer.byteLength(text),
    };
    const options = { agent, socketPath, path: "/api/v1/coordination", method: "POST", headers };
    const call = request(options, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (body += chunk));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
    });
    call.on("error", reject);
    call.end(text);
  });
}

interface Answer {
  readonly claims?: readonly { readonly claimId: string; readonly fence: number }[];
  readonly released?: readonly string[];
  readonly forced?: readonly string[];
}

function readResult(
  type: ObservedOperation["type"],
  path: string,
  status: number,
  answer: Answer,
): number | null {
  if (status >= 400) return null;
  if (type === "claim") {
    const [claim] = answer.claims ?? [];
    if (claim === undefined) return null;
    held.set(path, claim.claimId);
    return claim.fence;
  }
  if (type === "release") return (answer.released ?? []).length > 0 ? 1 : null;
  return type === "end" ? null : 1;
}

function actionOf(type: ObservedOperation["type"], path: string): object {
  if (type === "claim") return { type, targets: [path], ttlMs: TTL_MS };
  if (type === "release") return { type, targets: [path] };
  if (type === "renew") return { type, claims: [held.get(path) ?? "clm_none"], ttlMs: TTL_MS };
  return type === "force" ? { type, targets: [path], reason: "test" } : { type };
}

function pick(): ObservedOperation["type"] {
  const value = random();
  if (value < 0.4) return "claim";
  if (value < 0.65) return "release";
  if (value < 0.8) return "renew";
  return value < 0.92 ? "force" : "end";
}

async function step(): Promise<(ObservedOperation & { readonly path: string })[]> {
  const type = pick();
  const path = PATHS[Math.floor(random() * PATHS.length)] ?? "a.txt";
  const startMs = now();
  const { status, body } = await ask(actionOf(type, path), type === "force");
  const endMs = now();
  if (status >= 500 || status === 429) throw new Error(`${type}: ${status} ${body}`);
  const result = readResult(type, path, status, JSON.parse(body) as Answer);
  const seen = { client: Number(client), startMs, endMs, type, ttlMs: TTL_MS, result };
  // The end of a session is one of all of its paths.
  return type === "end" ? PATHS.map((each) => ({ ...seen, path: each })) : [{ ...seen, path }];
}

async function play(): Promise<void> {
  const all: (ObservedOperation & { readonly path: string })[] = [];
  for (let index = 0; index < Number(count); index += 1) {
    all.push(...(await step()));
    // Some wait so long that what they hold runs out.
    const pauseMs = random() < 0.02 ? 2000 : random() * 60;
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
  process.send?.(all);
}

process.on("message", () => {
  play().catch((error: unknown) => process.send?.(String(error)));
});
process.send?.("ready");
