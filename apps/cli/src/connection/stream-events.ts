import { request as httpRequest } from "node:http";
import type { IncomingMessage } from "node:http";
import { createParser } from "eventsource-parser";
import { CanopyError } from "@canopy/protocol/errors";
import { parseWireError } from "./request.ts";

/** One message of an event stream. */
export interface StreamMessage {
  readonly type: string;
  readonly data: unknown;
}

/** Which stream, from where. */
export interface StreamRequest {
  readonly socketPath: string;
  /** Below `/api/v1`. */
  readonly path: string;
  readonly signal: AbortSignal;
}

function openStream({ socketPath, path, signal }: StreamRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      {
        socketPath,
        path: `/api/v1${path}`,
        headers: { host: "localhost", accept: "text/event-stream" },
        signal,
      },
      resolve,
    );
    request.on("error", (error) => {
      reject(
        new CanopyError("daemon.unavailable", "the canopy daemon does not answer", {
          hint: "start it with: canopy up",
          cause: error,
        }),
      );
    });
    request.end();
  });
}

/**
 * Reads an event stream until the daemon or the signal ends it; a cut connection simply ends it. Throws
 * `daemon.unavailable` when it cannot be opened, or the server's error.
 */
export async function* streamEvents(options: StreamRequest): AsyncGenerator<StreamMessage> {
  const response = await openStream(options);
  response.setEncoding("utf8");
  if (response.statusCode !== 200) {
    let text = "";
    for await (const chunk of response) text += String(chunk);
    throw parseWireError(response.statusCode ?? 0, text);
  }
  const waiting: StreamMessage[] = [];
  const parser = createParser({
    onEvent: (event) => {
      const data: unknown = JSON.parse(event.data);
      waiting.push({ type: event.event ?? "message", data });
    },
  });
  try {
    for await (const chunk of response) {
      parser.feed(String(chunk));
      yield* waiting.splice(0);
    }
  } catch (error) {
    // Cut off or aborted: the caller knows from where to go on.
    if (!(error instanceof Error)) throw error;
  }
}
