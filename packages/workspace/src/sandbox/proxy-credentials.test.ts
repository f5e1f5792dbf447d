import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, request } from "node:http";
import type { IncomingHttpHeaders, IncomingMessage, Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startEgressProxy } from "./egress-proxy.ts";
import type { EgressProxy } from "./egress-proxy.ts";
import { planCredentials } from "./proxy-credentials.ts";

let folder = "";
let provider: Server;
let origin = "";
const seen: { url: string; headers: IncomingHttpHeaders; body: string }[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "canopy-keys-"));
  seen.splice(0);
  provider = createServer((incoming, answer) => {
    let body = "";
    incoming.on("data", (chunk: Buffer) => (body += chunk.toString("utf8")));
    incoming.on("end", () => {
      seen.push({ url: incoming.url ?? "", headers: incoming.headers, body });
      answer.writeHead(incoming.url === "/v1/moved" ? 302 : 200, { location: "http://elsewhere.test/" });
      answer.end("answer");
    });
  });
  provider.listen(0, "127.0.0.1");
  await once(provider, "listening");
  const address = provider.address();
  origin = `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`;
});

afterEach(async () => {
  provider.close();
  await rm(folder, { recursive: true });
});

async function ask(proxy: EgressProxy, path: string, headers: Record<string, string> = {}): Promise<string> {
  const made = request({ socketPath: proxy.socketPath, path, method: "POST", headers });
  made.end("question");
  const [answer] = (await once(made, "response")) as [IncomingMessage];
  let text = `${answer.statusCode} `;
  for await (const chunk of answer) text += String(chunk);
  return text;
}

test("the proxy adds the key, takes away what the sandbox sends in its place, and goes nowhere else", async () => {
  const { credentials, env } = planCredentials(
    { ANTHROPIC_API_KEY: "secret-key", ANTHROPIC_BASE_URL: origin, OTHER: "x" },
    3128,
  );
  expect(env).toEqual({
    ANTHROPIC_API_KEY: "kept-by-canopy",
    ANTHROPIC_BASE_URL: "http://127.0.0.1:3128/.canopy/anthropic",
  });
  await using proxy = await startEgressProxy(folder, { allow: [], credentials });
  const headers = { "x-api-key": "kept-by-canopy", authorization: "Bearer other", "anthropic-version": "1" };
  expect(await ask(proxy, "/.canopy/anthropic/v1/messages?beta=1", headers)).toBe("200 answer");
  const [first] = seen;
  expect({
    url: first?.url,
    body: first?.body,
    key: first?.headers["x-api-key"],
    other: first?.headers.authorization,
    version: first?.headers["anthropic-version"],
    host: first?.headers.host,
  }).toEqual({
    url: "/v1/messages?beta=1",
    body: "question",
    key: "secret-key",
    other: undefined,
    version: "1",
    host: new URL(origin).host,
  });
  expect(await ask(proxy, "/.canopy/anthropic/v1/moved")).toBe("302 answer");
  for (const path of [
    "/.canopy/openai/v1/models",
    "/.canopy/",
    "/.canopy/anthropic@evil.test/",
    "/v1/messages",
    `${origin}/v1/messages`,
  ])
    expect((await ask(proxy, path)).slice(0, 3), path).toBe("403");
  expect(seen.length).toBe(2);
  expect((await ask(proxy, "/.canopy/anthropic//evil.test/")).slice(0, 3)).toBe("400");
  expect(seen.length).toBe(2);
});

test("every known key is kept, each with its own address and way to be sent", () => {
  const { credentials, env } = planCredentials(
    { OPENAI_API_KEY: "a", GEMINI_API_KEY: "b", ANTHROPIC_AUTH_TOKEN: "c", ANTHROPIC_API_KEY: "" },
    3128,
  );
  expect(credentials).toEqual([
    {
      name: "anthropic-token",
      header: "authorization",
      value: "Bearer c",
      origin: "https://api.anthropic.com",
    },
    { name: "openai", header: "authorization", value: "Bearer a", origin: "https://api.openai.com/v1" },
    {
      name: "gemini",
      header: "x-goog-api-key",
      value: "b",
      origin: "https://generativelanguage.googleapis.com",
    },
  ]);
  expect(env).toEqual({
    ANTHROPIC_AUTH_TOKEN: "kept-by-canopy",
    ANTHROPIC_BASE_URL: "http://127.0.0.1:3128/.canopy/anthropic-token",
    OPENAI_API_KEY: "kept-by-canopy",
    OPENAI_BASE_URL: "http://127.0.0.1:3128/.canopy/openai",
    GEMINI_API_KEY: "kept-by-canopy",
    GOOGLE_GEMINI_BASE_URL: "http://127.0.0.1:3128/.canopy/gemini",
  });
  expect(planCredentials({ OTHER_KEY: "x" }, 3128)).toEqual({ credentials: [], env: {} });
});
