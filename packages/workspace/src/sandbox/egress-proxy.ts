import { once } from "node:events";
import { lookup } from "node:dns/promises";
import { createServer, request as requestHttp } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { mkdir, open } from "node:fs/promises";
import { BlockList, connect, isIP } from "node:net";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { forwardWithCredential, matchCredential } from "./proxy-credentials.ts";
import type { ProxyCredential } from "./proxy-credentials.ts";
import { connectThroughProxy, createProxiedAgent, findUpstreamProxy } from "./upstream-proxy.ts";
import type { FindUpstream } from "./upstream-proxy.ts";

/** Where the proxy is in a sandbox, on the sandbox's own loopback. */
export const PROXY_PORT = 3128;
const SOCKET_NAME = "out";
const MAX_REFUSALS = 500;
const CONNECT_WITHIN_MS = 30_000;

/** A connection that was not let out. */
export interface Refusal {
  readonly atMs: number;
  readonly host: string;
  readonly port: number;
  readonly reason: "not-on-list" | "private-address" | "not-found";
}

/** A refusal, and where it was. */
export interface RefusalRecord extends Refusal {
  readonly projectId: string;
  readonly workspaceId: string;
}

/** What an egress proxy lets out, and whom it tells of what it does not. */
export interface EgressOptions {
  readonly allow: readonly string[];
  /** Keys that are added to requests which the sandbox sends to the proxy itself. */
  readonly credentials?: readonly ProxyCredential[];
  /** Listens on a port of the machine's loopback instead of a socket file, where there is no loopback of the sandbox's own. */
  readonly isOnLoopback?: boolean;
  /** The proxy that stands between this machine and an address; what this process's environment says when left out. */
  readonly findUpstream?: FindUpstream;
  /** Told of each host, port and reason once. */
  readonly onRefusal?: ((refusal: Refusal) => void) | undefined;
}

/** The only way out of a sandbox. It listens on a socket file, asks names for itself, and lets out what is on its list. */
export interface EgressProxy extends AsyncDisposable {
  readonly socketPath: string;
  /** Where programs find it on the loopback that they see. */
  readonly port: number;
  readonly env: Readonly<Record<string, string>>;
  /** What was refused, oldest first; at most 500. */
  readonly refusals: readonly Refusal[];
}

interface Rule {
  readonly host: string;
  readonly ports: readonly number[];
}

/** Reads `host`, `*.host` or `host:port`, `[v6]:port`. Without a port: 80 and 443. */
export function parseEgressRule(text: string): Rule {
  const [, v6, name, port] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(text.trim()) ?? [];
  const host = (v6 ?? name ?? text).toLowerCase().replace(/\.$/, "");
  return { host, ports: port === undefined ? [80, 443] : [Number(port)] };
}

/** True when a rule names this host and port; `*.host` is every name below, not the host itself. */
export function isOnList(rules: readonly Rule[], host: string, port: number): boolean {
  const plain = host.toLowerCase().replace(/\.$/, "");
  return rules.some((rule) => {
    const isHost = rule.host.startsWith("*.") ? plain.endsWith(rule.host.slice(1)) : rule.host === plain;
    return isHost && rule.ports.includes(port);
  });
}

const PRIVATE = new BlockList();
for (const [network, bits] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.168.0.0", 16],
  ["224.0.0.0", 3],
] as const)
  PRIVATE.addSubnet(network, bits, "ipv4");
for (const [network, bits] of [
  ["::", 127],
  ["fc00::", 7],
  ["fe80::", 10],
  ["ff00::", 8],
  ["64:ff9b::", 96],
] as const)
  PRIVATE.addSubnet(network, bits, "ipv6");

/** True for loopback, link-local and private addresses, also written as IPv6: no name on a list may lead there. */
export function isPrivateAddress(address: string): boolean {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return isPrivateAddress(mapped);
  const family = isIP(address);
  return family === 0 || PRIVATE.check(address, family === 6 ? "ipv6" : "ipv4");
}

/** Where to connect to: an address, or a name and the proxy that is told it. */
interface Way {
  readonly address: string;
  readonly proxy: URL | null;
}

function startTunnel(client: Duplex, upstream: Duplex, head: Buffer): void {
  client.write("HTTP/1.1 200 Connection Established\r\n\r\n");
  if (head.length > 0) upstream.write(head);
  upstream.pipe(client);
  client.pipe(upstream);
}

class Proxy implements EgressProxy {
  readonly socketPath: string;
  port = PROXY_PORT;
  readonly refusals: Refusal[] = [];
  readonly #rules: readonly Rule[];
  readonly #server: Server;
  readonly #sockets = new Set<Duplex>();
  readonly #told = new Set<string>();
  readonly #onRefusal: EgressOptions["onRefusal"];
  readonly #credentials: readonly ProxyCredential[];
  readonly #findUpstream: FindUpstream;

  constructor(folder: string, options: EgressOptions) {
    this.socketPath = join(folder, SOCKET_NAME);
    this.#rules = options.allow.map(parseEgressRule);
    this.#onRefusal = options.onRefusal;
    this.#credentials = options.credentials ?? [];
    this.#findUpstream = options.findUpstream ?? findUpstreamProxy;
    this.#server = createServer((request, response) => void this.#forward(request, response));
    this.#server.on("connect", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      void this.#tunnel(request.url ?? "", socket, head);
    });
    this.#server.on("connection", (socket) => this.#keep(socket));
  }

  get env(): Record<string, string> {
    const url = `http://127.0.0.1:${this.port}`;
    const names = ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"];
    return {
      ...Object.fromEntries(names.map((name) => [name, url])),
      NO_PROXY: "localhost,127.0.0.1,::1",
      no_proxy: "localhost,127.0.0.1,::1",
      NODE_USE_ENV_PROXY: "1",
      npm_config_proxy: url,
      npm_config_https_proxy: url,
    };
  }

  async listen(folder: string): Promise<void> {
    // A path to a socket has at most 107 bytes; this one is short however deep the folder is.
    const handle = await open(folder, "r");
    try {
      await new Promise<void>((resolve, reject) => {
        this.#server.once("error", reject);
        this.#server.listen(`/proc/self/fd/${handle.fd}/${SOCKET_NAME}`, resolve);
      });
    } finally {
      await handle.close();
    }
  }

  async listenOnLoopback(): Promise<void> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    const address = this.#server.address();
    if (typeof address === "object" && address !== null) this.port = address.port;
  }

  #keep(socket: Duplex): void {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    socket.on("error", () => socket.destroy());
  }

  /**
   * The way to an address, or null when it may not be. A name is asked once, so that a second answer cannot differ; where
   * a proxy stands between, that proxy asks, for behind many of them no name can be asked from here.
   */
  async #admit(scheme: "http" | "https", host: string, port: number): Promise<Way | null> {
    const plain = host.replace(/^\[|\]$/g, "");
    if (!isOnList(this.#rules, plain, port)) return this.#refuse(plain, port, "not-on-list");
    const proxy = this.#findUpstream(`${scheme}://${host}:${port}`);
    if (proxy !== null) return { address: plain, proxy };
    // An address that a person wrote down is meant; a name must not lead into a private network.
    if (isIP(plain) !== 0) return { address: plain, proxy };
    const found = await lookup(plain).catch(() => null);
    if (found === null) return this.#refuse(plain, port, "not-found");
    if (isPrivateAddress(found.address)) return this.#refuse(plain, port, "private-address");
    return { address: found.address, proxy };
  }

  #refuse(host: string, port: number, reason: Refusal["reason"]): null {
    const refusal: Refusal = { atMs: Date.now(), host: host.slice(0, 300), port, reason };
    if (this.refusals.length < MAX_REFUSALS) this.refusals.push(refusal);
    const key = `${refusal.host} ${port} ${reason}`;
    if (this.#told.size < MAX_REFUSALS && !this.#told.has(key)) {
      this.#told.add(key);
      this.#onRefusal?.(refusal);
    }
    return null;
  }

  async #tunnel(target: string, client: Duplex, head: Buffer): Promise<void> {
    this.#keep(client);
    const [, host = "", port = ""] = /^(\[[^\]]+\]|[^:]+):(\d+)$/.exec(target) ?? [];
    const way = host === "" ? null : await this.#admit("https", host, Number(port));
    if (way === null) {
      client.end(
        `HTTP/1.1 403 Forbidden\r\nX-Canopy-Refused: ${encodeURI(host)}:${port}\r\nContent-Length: 0\r\n\r\n`,
      );
    } else if (way.proxy === null) {
      const upstream = connect({ host: way.address, port: Number(port) });
      upstream.setTimeout(CONNECT_WITHIN_MS, () => upstream.connecting && upstream.destroy());
      this.#join(client, upstream);
      upstream.once("connect", () => startTunnel(client, upstream, head));
    } else {
      connectThroughProxy(way.proxy, target, CONNECT_WITHIN_MS, (error, upstream, first) => {
        if (upstream === undefined) {
          const reason = encodeURI(error?.message ?? "no answer");
          client.end(`HTTP/1.1 502 Bad Gateway\r\nX-Canopy-Upstream: ${reason}\r\nContent-Length: 0\r\n\r\n`);
          return;
        }
        this.#join(client, upstream);
        startTunnel(client, upstream, head);
        if (first !== undefined && first.length > 0) client.write(first);
      });
    }
  }

  /** Whichever of the two ends, ends the other. */
  #join(client: Duplex, upstream: Duplex): void {
    this.#keep(upstream);
    upstream.once("close", () => client.end());
    client.once("close", () => upstream.destroy());
    if (client.destroyed) upstream.destroy();
  }

  async #forward(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const own = matchCredential(this.#credentials, request.url ?? "");
    if (own !== null)
      return forwardWithCredential({ request, response, ...own, findUpstream: this.#findUpstream });
    const url = URL.parse(request.url ?? "");
    const port = url === null || url.port === "" ? 80 : Number(url.port);
    const way = url?.protocol === "http:" ? await this.#admit("http", url.hostname, port) : null;
    if (url === null || way === null) {
      response
        .writeHead(403, { "content-type": "text/plain" })
        .end(
          `refused by Canopy's sandbox: not on the allow-list; a person can see why: canopy sandbox log\n`,
        );
      return;
    }
    const headers = { ...request.headers, host: url.host };
    Reflect.deleteProperty(headers, "proxy-connection");
    Reflect.deleteProperty(headers, "proxy-authorization");
    const options = {
      host: way.address,
      port,
      method: request.method,
      path: url.pathname + url.search,
      headers,
      ...(way.proxy === null ? {} : { agent: createProxiedAgent("http:", way.proxy) }),
    };
    const upstream = requestHttp(options, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    upstream.on("error", () => (response.headersSent ? response.destroy() : response.writeHead(502).end()));
    request.pipe(upstream);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** Starts an egress proxy on a socket file in a folder that is made for it. Redirects are the client's business: each new host is asked again. */
export async function startEgressProxy(folder: string, options: EgressOptions): Promise<EgressProxy> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const proxy = new Proxy(folder, options);
  await (options.isOnLoopback === true ? proxy.listenOnLoopback() : proxy.listen(folder));
  return proxy;
}
