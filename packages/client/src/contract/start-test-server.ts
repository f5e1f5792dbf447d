import { once } from "node:events";
import type { Server as HttpServer } from "node:http";
import { createServer as createHttpServer } from "node:http";
import { getRequestListener } from "@hono/node-server";
import type { RoomHost } from "@canopy/core";
import { CanopyError, daemonStatusSchema } from "@canopy/protocol";
import type { Server, ServerPorts } from "@canopy/server";
import { createServer } from "@canopy/server";
import { attachWebSockets } from "@canopy/server/node";

/** A real server on real sockets: a free loopback port and, when asked for, a unix socket. */
export interface TestServer extends AsyncDisposable {
  readonly port: number;
  readonly baseUrl: string;
  readonly server: Server;
}

/** The token of test servers. */
export const TEST_TOKEN = "t0ken";

/** What a test server is made from. */
export interface TestServerOptions {
  readonly host: RoomHost;
  readonly socketPath?: string;
  /** Host names and ports that are answered beside its own: those of proxies. */
  readonly otherHosts?: () => readonly string[];
  readonly ports?: Partial<ServerPorts>;
}

function notHere(): never {
  throw new CanopyError("usage.invalid", "not in this test");
}

function createPorts(options: TestServerOptions, port: () => number): ServerPorts {
  const status = {
    pid: process.pid,
    version: "0.1.0",
    wireVersion: 1,
    startedAtMs: 0,
    uptimeMs: 0,
    port: 0,
    socketPath: options.socketPath ?? "",
    stateDirectory: "",
    cacheDirectory: "",
    memoryBytes: 0,
    activeRuns: 0,
    activeAttempts: 0,
    activeLevels: {},
    projects: [],
  };
  return {
    host: options.host,
    token: TEST_TOKEN,
    allowedHosts: () => [`127.0.0.1:${port()}`, ...(options.otherHosts?.() ?? [])],
    defaultActor: { kind: "person", id: "ada" },
    log: { info: () => {}, error: () => {} },
    newKey: () => crypto.randomUUID(),
    now: () => Date.now(),
    status: () => daemonStatusSchema.parse(status),
    openProject: notHere,
    planRun: notHere,
    startRun: notHere,
    images: { put: notHere, read: notHere },
    agents: {
      listModels: notHere,
      checkModels: () => Promise.resolve([]),
      requireConversational: () => Promise.resolve(),
    },
    deliver: notHere,
    coordination: {
      handleHook: ({ body }) => Promise.resolve({ body, exitCode: 0 }),
      act: (request) => Promise.resolve({ type: request.action.type }),
    },
    queue: {
      wake: notHere,
      readConflict: notHere,
      resolve: notHere,
      listPatches: notHere,
      exportPatch: notHere,
      applyPatch: notHere,
      expirePatches: notHere,
    },
    workspaceBackend: notHere,
    listRefusals: notHere,
    stop: () => {},
    ...options.ports,
  };
}

async function closeHttp(http: HttpServer): Promise<void> {
  const closed = once(http, "close");
  http.close();
  http.closeAllConnections();
  await closed;
}

/** Starts a server for tests and benchmarks. Disposing cuts every connection. */
export async function startTestServer(options: TestServerOptions): Promise<TestServer> {
  await using stack = new AsyncDisposableStack();
  let port = 0;
  const server = createServer(createPorts(options, () => port));
  const open = async (
    isTrusted: boolean,
    where: { readonly port?: number; readonly path?: string },
  ): Promise<HttpServer> => {
    const http = createHttpServer(getRequestListener((request) => server.fetch(request, { isTrusted })));
    http.listen({ ...where, host: "127.0.0.1" });
    await once(http, "listening");
    stack.defer(() => closeHttp(http));
    stack.use(attachWebSockets(http, server, { isTrusted }));
    return http;
  };
  const address = (await open(false, { port: 0 })).address();
  port = typeof address === "object" && address !== null ? address.port : 0;
  if (options.socketPath !== undefined) await open(true, { path: options.socketPath });
  const resources = stack.move();
  return {
    port,
    baseUrl: `http://127.0.0.1:${port}`,
    server,
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}
