import { once } from "node:events";
import { createServer, request } from "node:http";

/** Stands between an agent and the scripted model for the provider, and notes the keys that it is sent. */
export interface Provider extends AsyncDisposable {
  readonly url: string;
  /** Values of `x-api-key`, `x-goog-api-key` or, where there is neither, `authorization`. */
  readonly keys: Set<string>;
}

/** Starts it on a loopback port; the model at `modelUrl` answers. */
export async function startProvider(modelUrl: string): Promise<Provider> {
  const keys = new Set<string>();
  const server = createServer((incoming, answer) => {
    const { method = "GET", url = "/", headers } = incoming;
    keys.add(String(headers["x-api-key"] ?? headers["x-goog-api-key"] ?? headers.authorization));
    const upstream = request(new URL(url, modelUrl), { method, headers }, (response) => {
      answer.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(answer);
    });
    upstream.on("error", () => answer.destroy());
    incoming.pipe(upstream);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`,
    keys,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
