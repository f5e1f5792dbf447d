import { request as httpRequest } from "node:http";
import type { IncomingMessage } from "node:http";
import type { ErrorCode, Json } from "@canopy/protocol";
import { CanopyError, ERROR_EXIT_CODES } from "@canopy/protocol/errors";

/** One request to the daemon over its unix socket. */
export interface DaemonRequest {
  readonly method: "GET" | "POST" | "PATCH" | "DELETE";
  /** Below `/api/v1`, such as `/status`. */
  readonly path: string;
  readonly body?: Json;
  readonly key?: string;
  readonly timeoutMs?: number;
}

function readErrorCode(value: unknown): ErrorCode {
  const isKnown = typeof value === "string" && Object.hasOwn(ERROR_EXIT_CODES, value);
  return isKnown ? (value as ErrorCode) : "internal";
}

/** Turns an error answer back into the error that the server had. */
export function parseWireError(status: number, text: string): CanopyError {
  try {
    const value: unknown = JSON.parse(text);
    const error: unknown = typeof value === "object" && value !== null ? Reflect.get(value, "error") : null;
    if (typeof error === "object" && error !== null) {
      const message: unknown = Reflect.get(error, "message");
      const hint: unknown = Reflect.get(error, "hint");
      const options = typeof hint === "string" ? { hint } : {};
      return new CanopyError(readErrorCode(Reflect.get(error, "code")), String(message), options);
    }
  } catch {
    // Not JSON: described by its status below.
  }
  return new CanopyError("internal", `the daemon answered with status ${status}`);
}

/** Reads a whole answer as text. */
async function readBody(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString("utf8");
}

/**
 * Asks the daemon. Resolves with the parsed answer; throws the server's error, or `daemon.unavailable` when nobody
 * listens, or `timed-out`.
 */
export async function requestDaemon(socketPath: string, options: DaemonRequest): Promise<unknown> {
  const body = options.body === undefined ? undefined : JSON.stringify(options.body);
  const { status, text } = await new Promise<{ status: number; text: string }>((resolve, reject) => {
    const request = httpRequest(
      {
        socketPath,
        path: `/api/v1${options.path}`,
        method: options.method,
        headers: {
          host: "localhost",
          ...(body === undefined
            ? {}
            : { "content-type": "application/json", "content-length": Buffer.byteLength(body) }),
          ...(options.key === undefined ? {} : { "idempotency-key": options.key }),
        },
        timeout: options.timeoutMs ?? 120_000,
      },
      (response) => {
        readBody(response).then(
          (answer) => resolve({ status: response.statusCode ?? 0, text: answer }),
          reject,
        );
      },
    );
    request.on("timeout", () =>
      request.destroy(new CanopyError("timed-out", "the daemon did not answer in time")),
    );
    request.on("error", (error) => reject(describeConnectionError(error)));
    request.end(body);
  });
  if (status >= 400) throw parseWireError(status, text);
  if (text === "") return null;
  const value: unknown = JSON.parse(text);
  return value;
}

function describeConnectionError(error: Error): Error {
  if (error.name === "CanopyError") return error;
  return new CanopyError("daemon.unavailable", "the canopy daemon does not answer", {
    hint: "start it with: canopy up",
    retry: true,
    cause: error,
  });
}
