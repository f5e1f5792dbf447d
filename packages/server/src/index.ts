export { MAX_BODY_BYTES, ROUTES, createServer } from "./create-server.ts";
export type { Server } from "./create-server.ts";
export { createOpenApiDocument } from "./http/openapi.ts";
export { createEventStream } from "./http/event-stream.ts";
export type { EventStreamOptions } from "./http/event-stream.ts";
export { checkAccess, isSameSecret } from "./http/check-access.ts";
export { statusOf, toWireError } from "./http/error-response.ts";
export type { Route, RouteCall } from "./http/route.ts";
export type { ServerLog, ServerPorts, TransportContext } from "./server-ports.ts";
