export { MAX_BODY_BYTES, ROUTES, createServer } from "./create-server.ts";
export type { Server } from "./create-server.ts";
export { RoomFeed, createFeedCounts } from "./feed/room-feed.ts";
export type { FeedCounts, FeedRequest, FeedSink, FeedSubscription } from "./feed/room-feed.ts";
export { createRoomFeeds } from "./feed/room-feeds.ts";
export type { RoomFeeds } from "./feed/room-feeds.ts";
export { createOpenApiDocument } from "./http/openapi.ts";
export { createEventStream } from "./http/event-stream.ts";
export type { EventStreamOptions } from "./http/event-stream.ts";
export { checkAccess, isSameSecret } from "./http/check-access.ts";
export { RejectedError, statusOf, toWireError } from "./http/error-response.ts";
export type { Route, RouteCall } from "./http/route.ts";
export type {
  Asked,
  ObservedRequest,
  QueuePorts,
  ServerLog,
  ServerMetrics,
  ServerPorts,
  StartedRun,
  TransportContext,
} from "./server-ports.ts";
export type { SocketHandler, SocketPort } from "./socket/socket-port.ts";
