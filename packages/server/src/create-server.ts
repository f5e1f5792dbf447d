import { CanopyError } from "@canopy/protocol";
import { projectRoomAddress } from "@canopy/core";
import { Hono } from "hono";
import type { Context } from "hono";
import { bodyLimit } from "hono/body-limit";
import { checkAccess } from "./http/check-access.ts";
import { toWireError } from "./http/error-response.ts";
import { createEventStream } from "./http/event-stream.ts";
import { createOpenApiDocument } from "./http/openapi.ts";
import type { Route } from "./http/route.ts";
import { readNumberQuery } from "./http/route.ts";
import { NODE_ROUTES } from "./routes/node-routes.ts";
import { RUN_ROUTES } from "./routes/run-routes.ts";
import { TASK_ROUTES } from "./routes/task-routes.ts";
import type { ServerPorts, TransportContext } from "./server-ports.ts";

/** Largest request body, in bytes. */
export const MAX_BODY_BYTES = 33_554_432;

/** Every REST endpoint, more specific paths first. */
export const ROUTES: readonly Route[] = [...NODE_ROUTES, ...TASK_ROUTES, ...RUN_ROUTES];

/** The HTTP side of the program. */
export interface Server {
  /** Answers one request. Never throws. */
  fetch(request: Request, transport: TransportContext): Promise<Response>;
}

type Env = { readonly Bindings: TransportContext };

/** Makes the HTTP server of a set of rooms. It opens no socket itself: the host hands requests in. */
export function createServer(ports: ServerPorts): Server {
  const app = new Hono<Env>();
  app.onError((error) => {
    const { status, body, isBug } = toWireError(error);
    if (isBug) ports.log.error({ error }, "request failed");
    return Response.json(body, { status });
  });
  app.notFound((context) => {
    throw new CanopyError("request.not-found", `nothing at ${context.req.method} ${context.req.path}`, {
      hint: "see /api/v1/openapi.json",
    });
  });
  app.get("/healthz", () => Response.json({ ok: true }));
  app.use("*", async (context, next) => {
    checkAccess(context.req.raw, context.env, ports);
    await next();
  });
  app.use(
    "*",
    bodyLimit({
      maxSize: MAX_BODY_BYTES,
      onError: () => {
        throw new CanopyError("request.too-large", `a request may have at most ${MAX_BODY_BYTES} bytes`);
      },
    }),
  );
  let openApi: unknown;
  app.get("/api/v1/openapi.json", () => {
    openApi ??= createOpenApiDocument(ROUTES);
    return Response.json(openApi);
  });
  app.get("/api/v1/projects/:project/events/stream", (context) => streamEvents(context, ports));
  for (const route of ROUTES) {
    app.on(route.method.toUpperCase(), `/api/v1${route.path}`, (context) => answer(context, route, ports));
  }
  return { fetch: async (request, transport) => await app.fetch(request, transport) };
}

async function readBody(context: Context<Env>, route: Route): Promise<unknown> {
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

async function answer(context: Context<Env>, route: Route, ports: ServerPorts): Promise<Response> {
  const named = context.req.header("x-canopy-actor");
  const result = await route.handle({
    ports,
    params: context.req.param(),
    query: new URL(context.req.url).searchParams,
    body: await readBody(context, route),
    actor: named === undefined ? ports.defaultActor : { kind: "person", id: named.slice(0, 200) },
    key: context.req.header("idempotency-key") ?? ports.newKey(),
  });
  return Response.json(result, { status: route.successStatus ?? 200 });
}

function streamEvents(context: Context<Env>, ports: ServerPorts): Response {
  const projectId = context.req.param("project") ?? "";
  const room = ports.host.room(projectRoomAddress(projectId));
  if (room === undefined) throw new CanopyError("thing.not-found", `no project ${projectId}`);
  const query = new URL(context.req.url).searchParams;
  const lastEventId = context.req.header("last-event-id");
  if (lastEventId !== undefined) query.set("after", lastEventId);
  const stream = createEventStream({
    room,
    afterSeq: query.has("after") ? readNumberQuery(query, "after", 0) : undefined,
    withLive: query.get("live") === "true",
    signal: context.req.raw.signal,
  });
  return new Response(stream, {
    headers: { "content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no" },
  });
}
