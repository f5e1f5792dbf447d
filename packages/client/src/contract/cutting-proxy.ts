import { once } from "node:events";
import type { Server, Socket } from "node:net";
import { connect, createServer } from "node:net";

/** A TCP proxy that cuts connections at random bytes: in the middle of frames, headers and characters. */
export interface CuttingProxy extends AsyncDisposable {
  readonly port: number;
  /** How many connections it has cut. */
  readonly cutCount: number;
  /** While false, connections live. */
  isCutting: boolean;
}

/** What a proxy is made from. A connection is cut after at most `maxBytes` from the server. */
export interface CuttingProxyOptions {
  readonly targetPort: number;
  readonly maxBytes: number;
  readonly random: () => number;
}

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

/** Starts a proxy on a free loopback port. */
export async function startCuttingProxy(options: CuttingProxyOptions): Promise<CuttingProxy> {
  const sockets = new Set<Socket>();
  const proxy = { cutCount: 0, isCutting: true };
  const server = createServer((client) => {
    const upstream = connect(options.targetPort, "127.0.0.1");
    const end = (): void => {
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", end);
      socket.on("close", () => {
        sockets.delete(socket);
        end();
      });
    }
    let left = Math.floor(options.random() * options.maxBytes);
    client.pipe(upstream);
    upstream.on("data", (chunk) => {
      if (!proxy.isCutting || chunk.length <= left) {
        left -= proxy.isCutting ? chunk.length : 0;
        client.write(chunk);
        return;
      }
      proxy.cutCount += 1;
      client.end(chunk.subarray(0, left), end);
    });
  });
  const port = await listen(server);
  return Object.assign(proxy, {
    port,
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  });
}
