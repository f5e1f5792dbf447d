import type { IncomingMessage, Server as HttpServer } from "node:http";
import type { Duplex } from "node:stream";
import type { RawData, WebSocket } from "ws";
import { WebSocketServer } from "ws";
import type { Server } from "../create-server.ts";
import type { TransportContext } from "../server-ports.ts";
import type { SocketPort } from "../socket/socket-port.ts";

const MAX_PAYLOAD_BYTES = 262_144;

function toRequest(message: IncomingMessage): Request {
  const headers = new Headers();
  for (const [name, value] of Object.entries(message.headers)) {
    if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(", ") : value);
  }
  return new Request(new URL(message.url ?? "/", "http://localhost"), { headers });
}

async function writeRefusal(duplex: Duplex, response: Response): Promise<void> {
  const body = await response.text();
  const head = [
    `HTTP/1.1 ${response.status} Refused`,
    "content-type: application/json",
    `content-length: ${new TextEncoder().encode(body).length}`,
    "connection: close",
  ];
  duplex.end(`${head.join("\r\n")}\r\n\r\n${body}`);
}

function readText(data: RawData): string {
  const bytes = Array.isArray(data) ? Buffer.concat(data) : data;
  return new TextDecoder().decode(bytes);
}

function createPort(socket: WebSocket): SocketPort {
  return {
    send: (text, onSent) => {
      // A callback costs; most frames need none.
      if (onSent === undefined) socket.send(text, { binary: false });
      else socket.send(text, { binary: false }, () => onSent());
    },
    bufferedBytes: () => socket.bufferedAmount,
    ping: () => socket.ping(),
    close: (code, reason) => {
      socket.close(code, reason);
      socket.terminate();
    },
  };
}

/**
 * Serves the WebSockets of a Canopy server on a Node HTTP server: answers its `upgrade` requests, after the same checks
 * as for every request. Disposing cuts every open WebSocket; clients resume by their cursors.
 */
export function attachWebSockets(http: HttpServer, server: Server, transport: TransportContext): Disposable {
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_PAYLOAD_BYTES,
    perMessageDeflate: false,
  });
  const onUpgrade = (message: IncomingMessage, duplex: Duplex, head: Buffer): void => {
    duplex.on("error", () => duplex.destroy());
    const refusal = server.refuseSocket(toRequest(message), transport);
    if (refusal !== null) {
      void writeRefusal(duplex, refusal);
      return;
    }
    sockets.handleUpgrade(message, duplex, head, (socket) => {
      const handler = server.handleSocket(createPort(socket));
      socket.on("message", (data, isBinary) => {
        if (!isBinary) handler.message(readText(data));
      });
      socket.on("pong", () => handler.pong());
      socket.on("close", () => handler.closed());
      socket.on("error", () => socket.terminate());
    });
  };
  http.on("upgrade", onUpgrade);
  return {
    [Symbol.dispose]() {
      http.off("upgrade", onUpgrade);
      for (const socket of sockets.clients) socket.terminate();
      sockets.close();
    },
  };
}
