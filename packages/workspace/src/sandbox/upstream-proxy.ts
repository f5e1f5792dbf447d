import { Agent as HttpAgent, request as requestHttp } from "node:http";
import type { IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";
import type { Duplex } from "node:stream";
import { getProxyForUrl } from "proxy-from-env";

/** The proxy that this machine's own programs go through to an address, or null when they go straight. */
export type FindUpstream = (url: string) => URL | null;

/**
 * What `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` of this process say of an address (either case; the
 * lower one wins, as in curl). A proxy that does not speak HTTP (SOCKS) counts as none.
 */
export const findUpstreamProxy: FindUpstream = (url) => {
  const proxy = URL.parse(getProxyForUrl(url));
  return proxy !== null && (proxy.protocol === "http:" || proxy.protocol === "https:") ? proxy : null;
};

/** An agent with which a request over HTTP or TLS goes through a proxy. */
export function createProxiedAgent(protocol: "http:" | "https:", proxy: URL): HttpAgent {
  const proxyEnv = { HTTP_PROXY: proxy.href, HTTPS_PROXY: proxy.href };
  return protocol === "https:" ? new HttpsAgent({ proxyEnv }) : new HttpAgent({ proxyEnv });
}

function createAuthorization(proxy: URL): Record<string, string> {
  if (proxy.username === "" && proxy.password === "") return {};
  const pair = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  return { "proxy-authorization": `Basic ${Buffer.from(pair).toString("base64")}` };
}

/**
 * A connection to `target` (`host:port`) through a proxy, by CONNECT (RFC 9110, section 9.3.6). Calls back with the
 * stream and the bytes that came with the answer, or with an error that names the proxy's status, within `withinMs`.
 */
export function connectThroughProxy(
  proxy: URL,
  target: string,
  withinMs: number,
  done: (error: Error | null, stream?: Duplex, head?: Buffer) => void,
): void {
  const send = proxy.protocol === "https:" ? requestHttps : requestHttp;
  const request = send({
    method: "CONNECT",
    host: proxy.hostname.replaceAll(/^\[|\]$/g, ""),
    port: proxy.port === "" ? (proxy.protocol === "https:" ? 443 : 80) : Number(proxy.port),
    path: target,
    headers: { host: target, ...createAuthorization(proxy) },
    timeout: withinMs,
  });
  const refuse = (answer: IncomingMessage): void => {
    answer.destroy();
    done(new Error(`the proxy ${proxy.host} answered ${answer.statusCode ?? 0}`));
  };
  request.once("connect", (answer, stream, head) => {
    stream.setTimeout(0);
    if (answer.statusCode === 200) return done(null, stream, head);
    stream.destroy();
    refuse(answer);
  });
  // A proxy that knows no CONNECT answers as to any other request.
  request.once("response", refuse);
  request.once("timeout", () => request.destroy(new Error(`the proxy ${proxy.host} does not answer`)));
  request.once("error", (error) => done(error));
  request.end();
}
