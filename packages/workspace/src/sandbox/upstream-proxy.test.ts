import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, request } from "node:http";
import type { IncomingMessage, Server } from "node:http";
import { connect } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { Duplex } from "node:stream";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { startEgressProxy } from "./egress-proxy.ts";
import type { EgressProxy } from "./egress-proxy.ts";
import { findUpstreamProxy } from "./upstream-proxy.ts";

const AUTHORIZATION = `Basic ${Buffer.from("me:secret word").toString("base64")}`;
let folder = "";
/** The only server there is behind the company's proxy, whatever name it is asked for. */
let inside: Server;
/** The company's proxy. It knows names that nobody else does, and asks who one is. */
let company: Server;
let upstream: URL;
const asked: string[] = [];

function portOf(server: Server): number {
  const address = server.address() as AddressInfo;
  return address.port;
}

function isKnown(incoming: IncomingMessage): boolean {
  asked.push(`${incoming.method} ${incoming.url}`);
  return incoming.headers["proxy-authorization"] === AUTHORIZATION;
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "canopy-upstream-"));
  asked.splice(0);
  inside = createServer((incoming, answer) => {
    const key = String(incoming.headers["x-api-key"] ?? "no key");
    answer.end(`${incoming.headers.host} ${incoming.url} ${key}`);
  });
  inside.listen(0, "127.0.0.1");
  company = createServer((incoming, answer) => {
    if (!isKnown(incoming)) {
      answer.writeHead(407).end();
      return;
    }
    const url = new URL(incoming.url ?? "");
    const path = url.pathname + url.search;
    const options = { port: portOf(inside), path, headers: { ...incoming.headers, host: url.host } };
    request(options, (found) => found.pipe(answer)).end();
  });
  company.on("connect", (incoming: IncomingMessage, client: Duplex, head: Buffer) => {
    if (!isKnown(incoming) || incoming.url?.startsWith("closed.") === true) {
      client.end("HTTP/1.1 503 No\r\n\r\n");
      return;
    }
    const server: Socket = connect(portOf(inside), "127.0.0.1", () => {
      client.write("HTTP/1.1 200 OK\r\n\r\n");
      server.write(head);
      server.pipe(client).pipe(server);
    });
    client.on("error", () => server.destroy());
  });
  company.listen(0, "127.0.0.1");
  await Promise.all([once(inside, "listening"), once(company, "listening")]);
  upstream = new URL(`http://me:secret%20word@127.0.0.1:${portOf(company)}`);
});

afterEach(async () => {
  vi.unstubAllEnvs();
  for (const server of [inside, company]) {
    server.closeAllConnections();
    server.close();
  }
  await rm(folder, { recursive: true });
});

async function ask(proxy: EgressProxy, path: string): Promise<string> {
  const made = request({ socketPath: proxy.socketPath, path, agent: false });
  made.end();
  const [answer] = (await once(made, "response")) as [IncomingMessage];
  return `${answer.statusCode} ${await text(answer)}`;
}

/** What a server behind a tunnel answers, or the status with which there is none. */
async function askByTunnel(proxy: EgressProxy, target: string): Promise<string> {
  const made = request({ socketPath: proxy.socketPath, method: "CONNECT", path: target, agent: false });
  made.end();
  const [answer, stream] = (await once(made, "connect")) as [IncomingMessage, Duplex];
  if (answer.statusCode !== 200) {
    stream.destroy();
    return `${answer.statusCode} ${String(answer.headers["x-canopy-upstream"] ?? "")}`;
  }
  stream.write("GET /deep HTTP/1.1\r\nHost: tunnel.test\r\nConnection: close\r\n\r\n");
  return (await text(stream))
    .split("\r\n\r\n")
    .slice(1)
    .join("")
    .replaceAll(/\r\n|^\w+$/gm, "");
}

test("behind a company's proxy what is on the list goes through it, by names that only it knows", async () => {
  const origin = "http://provider.test";
  await using proxy = await startEgressProxy(folder, {
    allow: ["known.test", "closed.test:443"],
    credentials: [{ name: "anthropic", header: "x-api-key", value: "key", origin }],
    findUpstream: () => upstream,
  });
  expect(await ask(proxy, "http://known.test/a?b=1")).toBe("200 known.test /a?b=1 no key");
  expect(await askByTunnel(proxy, "known.test:443")).toBe("tunnel.test /deep no key");
  expect(await ask(proxy, "/.canopy/anthropic/v1/messages")).toBe("200 provider.test /v1/messages key");
  expect(await askByTunnel(proxy, "closed.test:443")).toBe(
    `502 the%20proxy%20127.0.0.1:${portOf(company)}%20answered%20503`,
  );
  const heard = [
    "GET http://known.test/a?b=1",
    "CONNECT known.test:443",
    "GET http://provider.test/v1/messages",
    "CONNECT closed.test:443",
  ];
  expect(asked).toEqual(heard);
  // What is not on the list is refused here, and the company's proxy is not asked.
  expect((await ask(proxy, "http://other.test/")).slice(0, 3)).toBe("403");
  expect(await askByTunnel(proxy, "other.test:443")).toBe("403 ");
  expect(asked).toEqual(heard);
  expect(proxy.refusals.map(({ host, port, reason }) => [host, port, reason])).toEqual([
    ["other.test", 80, "not-on-list"],
    ["other.test", 443, "not-on-list"],
  ]);
});

test("a proxy that is not there is an answer, not a connection that hangs", async () => {
  const gone = new URL(`http://127.0.0.1:${portOf(company)}`);
  company.closeAllConnections();
  company.close();
  await once(company, "close");
  await using proxy = await startEgressProxy(folder, { allow: ["known.test"], findUpstream: () => gone });
  expect((await askByTunnel(proxy, "known.test:443")).slice(0, 3)).toBe("502");
  expect((await ask(proxy, "http://known.test/")).slice(0, 3)).toBe("502");
});

test("which proxy stands between is read from the variables that other programs read", () => {
  for (const name of ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "all_proxy"])
    vi.stubEnv(name, "");
  vi.stubEnv("https_proxy", "http://me:word@proxy.test:8080");
  vi.stubEnv("no_proxy", "near.test,.inner.test");
  const find = (url: string): string | null => findUpstreamProxy(url)?.href ?? null;
  expect([
    find("https://far.test:443"),
    find("http://far.test:80"),
    find("https://near.test:443"),
    find("https://a.inner.test:443"),
  ]).toEqual(["http://me:word@proxy.test:8080/", null, null, null]);
  vi.stubEnv("https_proxy", "socks5://proxy.test:1080");
  expect(find("https://far.test:443")).toBeNull();
});
