import { mkdirSync, rmSync } from "node:fs";
import type { Server as HttpServer } from "node:http";
import { createServer as createHttpServer } from "node:http";
import { connect } from "node:net";
import { dirname } from "node:path";
import { getRequestListener } from "@hono/node-server";
import type { Server } from "@canopy/server";
import { attachWebSockets } from "@canopy/server/node";
import { CanopyError } from "@canopy/protocol";

/** The sockets of a daemon. Disposing closes them and ends what is open on them. */
export interface Listening extends AsyncDisposable {
  readonly port: number;
}

/** Where to listen. Port 0 takes any free one. */
export interface ListenOptions {
  readonly server: Server;
  readonly port: number;
  readonly socketPath: string;
}

const CLOSE_GRACE_MS = 1000;
const IDLE_CHECK_MS = 20;

/** Listens on the loopback port and on the unix socket. Throws `daemon.port-taken` or `daemon.locked`. */
export async function listen({ server, port, socketPath }: ListenOptions): Promise<Listening> {
  const tcp = createHttpServer(getRequestListener((request) => server.fetch(request, { isTrusted: false })));
  const unix = createHttpServer(getRequestListener((request) => server.fetch(request, { isTrusted: true })));
  const sockets = [
    attachWebSockets(tcp, server, { isTrusted: false }),
    attachWebSockets(unix, server, { isTrusted: true }),
  ];
  const boundPort = await listenOnPort(tcp, port);
  try {
    await listenOnSocket(unix, socketPath);
  } catch (error) {
    tcp.close();
    throw error;
  }
  return {
    port: boundPort,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket[Symbol.dispose]();
      await Promise.all([closeServer(tcp), closeServer(unix)]);
    },
  };
}

function listenOnPort(server: HttpServer, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EADDRINUSE") {
        reject(new CanopyError("daemon.unavailable", `cannot listen on 127.0.0.1:${port}: ${error.message}`));
        return;
      }
      reject(
        new CanopyError("daemon.port-taken", `port ${port} on 127.0.0.1 is taken by another program`, {
          hint: "end that program, or choose another port: canopy up --port NUMBER (or set CANOPY_PORT; 0 takes any free one)",
        }),
      );
    });
    server.listen(port, "127.0.0.1", () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : port);
    });
  });
}

/** Listens on a unix socket that only its owner can open; one that is left over is removed. Throws `daemon.unavailable`. */
export async function listenOnSocket(server: HttpServer, socketPath: string): Promise<void> {
  mkdirSync(dirname(socketPath), { recursive: true, mode: 0o700 });
  // The lock says that no other daemon lives, so a socket that is left over is a dead one's.
  if (!(await answers(socketPath))) rmSync(socketPath, { force: true });
  const previousMask = process.umask(0o177);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", (error) => {
        reject(new CanopyError("daemon.unavailable", `cannot listen on ${socketPath}: ${error.message}`));
      });
      server.listen(socketPath, resolve);
    });
  } finally {
    process.umask(previousMask);
  }
}

function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

/**
 * Closes a server: what is idle at once, what is not when it becomes so (a connection that is kept alive stays open by itself after
 * its answer), and the rest after a moment.
 */
export async function closeServer(server: HttpServer): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  const idle = setInterval(() => server.closeIdleConnections(), IDLE_CHECK_MS);
  const force = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS);
  await closed;
  clearInterval(idle);
  clearTimeout(force);
}
