import { CanopyError } from "@canopy/protocol";
import { projectRoomAddress } from "@canopy/core";
import { Hono } from "hono";
import type { Context } from "hono";
import { bodyLimit } from "hono/body-limit";
import { createRoomFeeds } from "./feed/room-feeds.ts";
import type { RoomFeeds } from "./feed/room-feeds.ts";
import { checkAccess, checkOrigin } from "./http/check-access.ts";
import { toWireError } from "./http/error-response.ts";
import { createEventStream } from "./http/event-stream.ts";
import { createOpenApiDocument } from "./http/openapi.ts";
import type { Route } from "./http/route.ts";
import { readNumberQuery } from "./http/route.ts";
import { AGENT_ROUTES } from "./routes/agent-routes.ts";
import { COORDINATION_ROUTES } from "./routes/coordination-routes.ts";
import { answerHook } from "./routes/hook-route.ts";
import { FORK_ROUTE } from "./routes/fork-route.ts";
import { IMAGE_ROUTES } from "./routes/image-routes.ts";
import { INQUIRY_ROUTES } from "./routes/inquiry-routes.ts";
import { NODE_ROUTES } from "./routes/node-routes.ts";
import { QUEUE_ROUTES } from "./routes/queue-routes.ts";
import { RUN_ROUTES } from "./routes/run-routes.ts";
import { SANDBOX_ROUTES } from "./routes/sandbox-routes.ts";
import { SESSION_ROUTES } from "./routes/session-routes.ts";
import { BOARD_ROUTES } from "./routes/board-routes.ts";
import { TASK_ROUTES } from "./routes/task-routes.ts";
import type { ServerPorts, TransportContext } from "./server-ports.ts";
import { SocketConnection } from "./socket/socket-connection.ts";
import type { SocketHandler, SocketPort } from "./socket/socket-port.ts";

/** Largest request body, in bytes. */
export const MAX_BODY_BYTES = 33_554_432;
const MAX_KEY_CHARS = 180;

/** Every REST endpoint, more specific paths first. */
export const ROUTES: readonly Route[] = [
  ...NODE_ROUTES,
  ...TASK_ROUTES,
  ...BOARD_ROUTES,
  ...RUN_ROUTES,
  ...SESSION_ROUTES,
  ...QUEUE_ROUTES,
  ...COORDINATION_ROUTES,
  ...INQUIRY_ROUTES,
  ...AGENT_ROUTES,
  ...IMAGE_ROUTES,
  FORK_ROUTE,
  ...SANDBOX_ROUTES,
];

/** The HTTP side of the program. It opens no socket itself: its host hands requests and WebSockets in. */
export interface Server {
  /** Answers one request. Never throws. */
  fetch(request: Request, transport: TransportContext): Promise<Response>;
  /** Whether a WebSocket may be opened with this request (its path is `/ws`): null, or the answer that refuses it. */
  refuseSocket(request: Request, transport: TransportContext): Response | null;
  /** Serves a WebSocket that was accepted after `refuseSocket` had answered null. */
  handleSocket(socket: SocketPort): SocketHandler;
  /** The feeds behind both kinds of stream; their counts are for metrics. */
  readonly feeds: RoomFeeds;
}

interface Env {
  readonly Bindings: TransportContext;
  readonly Variables: { route: string };
}

/** Makes the HTTP server of a set of rooms. */
export function createServer(ports: ServerPorts): Server {
  const feeds = createRoomFeeds(ports.host);
  const app = createApp(ports, feeds);
  return {
    feeds,
    fetch: async (request, transport) => await app.fetch(request, transport),
    refuseSocket: (request, transport) => {
      try {
        checkAccess(request, transport, ports);
        const { pathname } = new URL(request.url);
        if (pathname === "/ws") return null;
        throw new CanopyError("request.not-found", `no WebSocket at ${pathname}`, { hint: "connect to /ws" });
      } catch (error) {
        return answerError(error, ports);
      }
    },
    handleSocket: (socket) => new SocketConnection(socket, feeds),
  };
}

function createApp(ports: ServerPorts, feeds: RoomFeeds): Hono<Env> {
  const app = new Hono<Env>();
  app.onError((error) => answerError(error, ports));
  app.notFound((context) => {
    throw new CanopyError("request.not-found", `nothing at ${context.req.method} ${context.req.path}`, {
      hint: "see /api/v1/openapi.json",
    });
  });
  app.use("*", async (context, next) => {
    const startedAtMs = ports.now();
    await next();
    const seconds = (ports.now() - startedAtMs) / 1000;
    const route = context.get("route") ?? "other";
    ports.metrics?.observeRequest({ method: context.req.method, route, status: context.res.status, seconds });
  });
  app.get("/healthz", () => Response.json({ ok: true }));
  app.all("/mcp", async (context) => {
    context.set("route", "/mcp");
    checkOrigin(context.req.raw, context.env, ports);
    if (ports.agentTools === undefined)
      throw new CanopyError("request.not-found", "there are no agents here");
    return await ports.agentTools.fetch(context.req.raw);
  });
  app.use("*", async (context, next) => {
    checkAccess(context.req.raw, context.env, ports);
    await next();
  });
  app.use("*", bodyLimit({ maxSize: MAX_BODY_BYTES, onError: refuseLargeBody }));
  app.get("/metrics", async (context) => {
    if (ports.metrics === undefined) throw new CanopyError("request.not-found", "metrics are switched off");
    context.set("route", "/metrics");
    return new Response(await ports.metrics.render(), {
      headers: { "content-type": ports.metrics.contentType },
    });
  });
  app.post("/hooks/:agent", async (context) => {
    context.set("route", "/hooks/:agent");
    return await answerHook(context.req.raw, context.req.param("agent"), ports);
  });
  let openApi: unknown;
  app.get("/api/v1/openapi.json", (context) => {
    context.set("route", "/openapi.json");
    openApi ??= createOpenApiDocument(ROUTES);
    return Response.json(openApi);
  });
  app.get("/api/v1/events/stream", (context) =>
    streamEvents(context, feeds, context.req.query("room") ?? "node"),
  );
  app.get("/api/v1/projects/:project/events/stream", (context) =>
    streamEvents(context, feeds, projectRoomAddress(context.req.param("project"))),
  );
  for (const route of ROUTES) {
    app.on(route.method.toUpperCase(), `/api/v1${route.path}`, (context) => answer(context, route, ports));
  }
  return app;
}

function refuseLargeBody(): never {
  throw new CanopyError("request.too-large", `a request may have at most ${MAX_BODY_BYTES} bytes`);
}

function answerError(error: unknown, ports: ServerPorts): Response {
  const { status, body, isBug } = toWireError(error);
  if (isBug) ports.log.error({ error }, "request failed");
  return Response.json(body, { status });
}

async function readJsonBody(context: Context<Env>, route: Route): Promise<unknown> {
  if (route.body === undefined) return undefined;
  const text = await context.req.text();
  if (text === "") return {};
  try {
    const value: unknown = JSON.parse(text);
    return value;
  } catch {
    throw new CanopyError("request.invalid", "the body is not valid JSON");
  }
}

/** Keys from outside never meet those that the program itself makes. */
function readKey(context: Context<Env>, ports: ServerPorts): string {
  const given = context.req.header("idempotency-key");
  if (given === undefined) return ports.newKey();
  if (given.length > 0 && given.length <= MAX_KEY_CHARS) return `http:${given}`;
  throw new CanopyError("request.invalid", `Idempotency-Key: expected 1 to ${MAX_KEY_CHARS} characters`);
}

async function answer(context: Context<Env>, route: Route, ports: ServerPorts): Promise<Response> {
  context.set("route", route.path);
  const named = context.req.header("x-canopy-actor");
  const result = await route.handle({
    ports,
    params: context.req.param(),
    query: new URL(context.req.url).searchParams,
    body: await readJsonBody(context, route),
    actor:
      named === undefined || named === "" ? ports.defaultActor : { kind: "person", id: named.slice(0, 200) },
    key: readKey(context, ports),
    signal: context.req.raw.signal,
  });
  // What is not JSON, such as a patch.
  if (result instanceof Response) return result;
  return Response.json(result, { status: route.successStatus ?? 200 });
}

function streamEvents(context: Context<Env>, feeds: RoomFeeds, address: string): Response {
  context.set("route", "/events/stream");
  const feed = feeds.find(address);
  if (feed === undefined) throw new CanopyError("thing.not-found", `no room ${address}`);
  const query = new URL(context.req.url).searchParams;
  const lastEventId = context.req.header("last-event-id");
  if (lastEventId !== undefined) query.set("after", lastEventId);
  const stream = createEventStream({
    feed,
    afterSeq: query.has("after") ? readNumberQuery(query, "after", 0) : undefined,
    withLive: query.get("live") === "true",
    signal: context.req.raw.signal,
  });
  return new Response(stream, {
    headers: { "content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no" },
  });
}
