import { request as httpRequest } from "node:http";
import type { IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import type { FetchPort } from "../http/fetch-port.ts";

/**
 * A `fetch` that goes over a unix socket, for `openClient({ baseUrl: "http://localhost", fetch })`. The socket's owner is
 * trusted, so no token is needed. Rejects with Node's error when nobody listens.
 */
export function createUnixFetch(socketPath: string): FetchPort {
  return async (url, init) => {
    const { pathname, search } = new URL(url);
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const request = httpRequest({
        socketPath,
        path: `${pathname}${search}`,
        method: init.method,
        headers: { host: "localhost", ...init.headers },
        ...(init.signal === undefined ? {} : { signal: init.signal }),
      });
      request.once("response", resolve);
      request.once("error", reject);
      request.end(init.body);
    });
    return { status: response.statusCode ?? 0, body: response, text: () => text(response) };
  };
}
