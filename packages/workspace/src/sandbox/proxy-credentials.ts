import { request as requestHttp } from "node:http";
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import { request as requestHttps } from "node:https";
import { createProxiedAgent } from "./upstream-proxy.ts";
import type { FindUpstream } from "./upstream-proxy.ts";

/** A key that the egress proxy adds for a sandbox that must not hold it. */
export interface ProxyCredential {
  /** Part of the address inside: `http://127.0.0.1:PORT/.canopy/NAME`. */
  readonly name: string;
  /** Where requests go, such as `https://api.example.com`; a path of it comes before theirs. */
  readonly origin: string;
  readonly header: string;
  readonly value: string;
}

/** What to put in place of the person's variables: addresses of the proxy, and keys that are none. */
export interface CredentialPlan {
  readonly credentials: readonly ProxyCredential[];
  /** Variables of the agent's environment that change. */
  readonly env: Readonly<Record<string, string>>;
}

interface KnownKey {
  readonly variable: string;
  readonly name: string;
  readonly header: string;
  readonly prefix: string;
  readonly baseVariable: string;
  readonly origin: string;
}

/** Keys of model providers, and the variable that tells programs another address. From the providers' own documents. */
const KNOWN_KEYS: readonly KnownKey[] = [
  {
    variable: "ANTHROPIC_API_KEY",
    name: "anthropic",
    header: "x-api-key",
    prefix: "",
    baseVariable: "ANTHROPIC_BASE_URL",
    origin: "https://api.anthropic.com",
  },
  {
    variable: "ANTHROPIC_AUTH_TOKEN",
    name: "anthropic-token",
    header: "authorization",
    prefix: "Bearer ",
    baseVariable: "ANTHROPIC_BASE_URL",
    origin: "https://api.anthropic.com",
  },
  {
    variable: "OPENAI_API_KEY",
    name: "openai",
    header: "authorization",
    prefix: "Bearer ",
    baseVariable: "OPENAI_BASE_URL",
    origin: "https://api.openai.com/v1",
  },
  {
    variable: "GEMINI_API_KEY",
    name: "gemini",
    header: "x-goog-api-key",
    prefix: "",
    baseVariable: "GOOGLE_GEMINI_BASE_URL",
    origin: "https://generativelanguage.googleapis.com",
  },
];

/** What stands in a sandbox where the key would. Programs only look whether there is one. */
export const PLACEHOLDER_KEY = "kept-by-canopy";
const PREFIX = "/.canopy/";
/** Ways to say who asks: the proxy's own replaces them all. */
const AUTHENTICATION = ["authorization", "x-api-key", "x-goog-api-key", "api-key", "cookie"];
const HOP_BY_HOP = [
  "connection",
  "host",
  "keep-alive",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "upgrade",
];

/**
 * Keeps known keys out of an agent's environment: for each that is there, the proxy gets it, and the agent a placeholder and the
 * proxy's address. Where the person names another address themselves (a gateway), requests go there.
 */
export function planCredentials(
  environment: Readonly<Record<string, string>>,
  proxyPort: number,
): CredentialPlan {
  const found = KNOWN_KEYS.filter(({ variable }) => (environment[variable] ?? "") !== "");
  const credentials = found.map(({ name, header, prefix, variable, baseVariable, origin }) => ({
    name,
    header,
    value: `${prefix}${environment[variable] ?? ""}`,
    origin: environment[baseVariable] ?? origin,
  }));
  const changes = found.flatMap(({ variable, baseVariable, name }): [string, string][] => [
    [variable, PLACEHOLDER_KEY],
    [baseVariable, `http://127.0.0.1:${proxyPort}${PREFIX}${name}`],
  ]);
  return { credentials, env: Object.fromEntries(changes) };
}

/** The credential that a request to the proxy itself asks for, and the rest of its path; null when it asks for none. */
export function matchCredential(
  credentials: readonly ProxyCredential[],
  url: string,
): { readonly credential: ProxyCredential; readonly path: string } | null {
  if (!url.startsWith(PREFIX)) return null;
  const [, name = "", rest = ""] = /^\/\.canopy\/([a-z-]+)(\/.*|\?.*|)$/.exec(url) ?? [];
  const credential = credentials.find((each) => each.name === name);
  return credential === undefined ? null : { credential, path: rest };
}

function createHeaders(
  request: IncomingMessage,
  credential: ProxyCredential,
  host: string,
): OutgoingHttpHeaders {
  const dropped = new Set([...AUTHENTICATION, ...HOP_BY_HOP]);
  const kept = Object.entries(request.headers).filter(([name]) => !dropped.has(name));
  return { ...Object.fromEntries(kept), host, [credential.header]: credential.value };
}

/** A request for a provider, and the key that it gets. */
export interface CredentialRequest {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly credential: ProxyCredential;
  /** Path and query below the credential's origin. */
  readonly path: string;
  readonly findUpstream: FindUpstream;
}

/** Passes a request on with the key: over TLS where the origin says so, whose certificate is checked. Redirects are handed back. */
export function forwardWithCredential(options: CredentialRequest): void {
  const { request, response, credential, path, findUpstream } = options;
  const origin = new URL(credential.origin);
  const target = new URL(`${origin.pathname.replace(/\/$/, "")}${path}`, origin);
  // A path such as //other.host/ must not choose another host.
  if (target.origin !== origin.origin) return void response.writeHead(400).end();
  const isTls = target.protocol === "https:";
  const proxy = findUpstream(target.origin);
  const upstream = (isTls ? requestHttps : requestHttp)(
    target,
    {
      method: request.method ?? "GET",
      headers: createHeaders(request, credential, target.host),
      ...(proxy === null ? {} : { agent: createProxiedAgent(isTls ? "https:" : "http:", proxy) }),
    },
    (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    },
  );
  upstream.on("error", () => (response.headersSent ? response.destroy() : response.writeHead(502).end()));
  response.once("close", () => upstream.destroy());
  request.pipe(upstream);
}
