import type { Answer, Project } from "@canopy/protocol";
import type { FetchPort } from "./http/fetch-port.ts";
import { createRequester } from "./http/create-requester.ts";
import type { ProjectClient } from "./project-client.ts";
import { createProjectClient } from "./project-client.ts";
import type { WebSocketPort } from "./subscribe/socket-source.ts";
import { createSocketSource } from "./subscribe/socket-source.ts";
import { createStreamSource } from "./subscribe/stream-source.ts";
import type { ReconnectPolicy, SubscribeOptions, SubscribePorts } from "./subscribe/subscribe-room.ts";
import { subscribeRoom } from "./subscribe/subscribe-room.ts";

/** Where the daemon is, and how it is reached. */
export interface ClientOptions {
  /** Such as `http://127.0.0.1:7770`. Any host name will do when `fetch` goes over a unix socket. */
  readonly baseUrl: string;
  /** The text of the daemon's token file; not needed over its unix socket. */
  readonly token?: string;
  /** Who asks; the daemon's own user when left out. */
  readonly actor?: string;
  /** Default: the global `fetch`. */
  readonly fetch?: FetchPort;
  /** How rooms are followed: a WebSocket (the global one fits), or null for server-sent events over `fetch` (default). */
  readonly webSocket?: WebSocketPort | null;
  readonly reconnect?: Partial<ReconnectPolicy>;
  /** Makes idempotency keys. Default: random UUIDs. */
  readonly newKey?: () => string;
}

/** A daemon as its clients use it. Methods throw the server's `CanopyError`, or `daemon.unavailable`. */
export interface Client {
  status(): Promise<Answer<"status">>;
  /** Begins a graceful stop; resolves at once. */
  stop(): Promise<void>;
  /** Finds or registers the project of a folder. */
  openProject(path: string): Promise<Project>;
  listProjects(): Promise<Project[]>;
  project(projectId: string): ProjectClient;
  /**
   * Keeps a copy of a room until the signal aborts, over any number of lost connections. Throws when the server refuses
   * for good: `request.unauthorized`, `thing.not-found`.
   */
  subscribeRoom<S>(options: SubscribeOptions<S>): Promise<void>;
}

const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 5000;

function socketUrl(baseUrl: string, token: string | undefined): string {
  // Browsers let nobody set a header for a WebSocket, so the token goes into the query; the server logs no queries.
  const query = token === undefined ? "" : `?${new URLSearchParams({ token }).toString()}`;
  return `${baseUrl.replace(/^http/, "ws")}/ws${query}`;
}

/** Makes a client. Nothing is sent yet, and there is nothing to dispose. */
export function openClient(options: ClientOptions): Client {
  const baseUrl = options.baseUrl.replace(/\/+$/, "");
  const requester = createRequester({
    baseUrl,
    fetch: options.fetch ?? ((url, init) => fetch(url, init)),
    newKey: options.newKey ?? (() => crypto.randomUUID()),
    ...(options.token === undefined ? {} : { token: options.token }),
    ...(options.actor === undefined ? {} : { actor: options.actor }),
  });
  const { webSocket = null } = options;
  const ports: SubscribePorts = {
    source:
      webSocket === null
        ? createStreamSource(requester)
        : createSocketSource(socketUrl(baseUrl, options.token), webSocket),
    reconnect: {
      firstMs: FIRST_PAUSE_MS,
      maxMs: MAX_PAUSE_MS,
      random: () => Math.random(),
      ...options.reconnect,
    },
    probe: async (room, signal) => {
      await requester.ask("events", { method: "GET", path: "/events", query: { room, limit: 0 }, signal });
    },
  };
  return {
    status: () => requester.ask("status", { method: "GET", path: "/status" }),
    stop: async () => {
      await requester.ask("stopping", { method: "POST", path: "/stop" });
    },
    openProject: async (path) =>
      (await requester.ask("project", { method: "POST", path: "/projects", body: { path } })).project,
    listProjects: async () =>
      (await requester.ask("projects", { method: "GET", path: "/projects" })).projects,
    project: (projectId) => createProjectClient(requester, projectId),
    subscribeRoom: (subscription) => subscribeRoom(subscription, ports),
  };
}
