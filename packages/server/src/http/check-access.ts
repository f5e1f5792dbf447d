import type { ServerPorts, TransportContext } from "../server-ports.ts";
import { CanopyError } from "@canopy/protocol";

/** Compares two texts in a time that does not depend on where they differ. */
export function isSameSecret(left: string, right: string): boolean {
  const encoder = new TextEncoder();
  const a = encoder.encode(left);
  const b = encoder.encode(right);
  let difference = a.length ^ b.length;
  for (let index = 0; index < Math.max(a.length, b.length); index += 1) {
    difference |= (a[index] ?? 0) ^ (b[index] ?? 0);
  }
  return difference === 0;
}

/** The token that a request brings: as a bearer header, or (WebSocket and SSE in browsers) in the query. */
function readToken(request: Request): string | null {
  const header = request.headers.get("authorization");
  if (header !== null) return /^Bearer (.+)$/i.exec(header)?.[1] ?? null;
  return new URL(request.url).searchParams.get("token");
}

function isHook(request: Request): boolean {
  return request.method === "POST" && new URL(request.url).pathname.startsWith("/hooks/");
}

/**
 * Refuses a Host that is not ours (DNS rebinding) and an Origin of another page. A trusted transport needs none of it.
 * Throws `request.unauthorized`.
 */
export function checkOrigin(request: Request, transport: TransportContext, ports: ServerPorts): void {
  if (transport.isTrusted) return;
  const hosts = ports.allowedHosts();
  const host = request.headers.get("host") ?? "";
  if (!hosts.includes(host)) {
    throw new CanopyError("request.unauthorized", `requests for host '${host}' are not answered`);
  }
  const origin = request.headers.get("origin");
  if (origin !== null && !hosts.some((allowed) => origin === `http://${allowed}`)) {
    throw new CanopyError("request.unauthorized", `requests from the page ${origin} are not answered`);
  }
}

/** Refuses what checkOrigin refuses, and a missing or wrong token. Throws `request.unauthorized`. */
export function checkAccess(request: Request, transport: TransportContext, ports: ServerPorts): void {
  checkOrigin(request, transport, ports);
  if (transport.isTrusted) return;
  const token = readToken(request);
  if (token !== null && isHook(request) && isSameSecret(token, ports.hookToken ?? ports.token)) return;
  if (token === null || !isSameSecret(token, ports.token)) {
    throw new CanopyError("request.unauthorized", "a valid token is needed", {
      hint: "send the text of the daemon's token file as: Authorization: Bearer TOKEN",
    });
  }
}
