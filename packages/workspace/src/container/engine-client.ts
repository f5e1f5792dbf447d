import { request } from "node:http";
import type { ClientRequest } from "node:http";
import type { Duplex } from "node:stream";
import { CanopyError } from "@canopy/protocol";
import { z } from "zod";

/** What an engine answered: its status and, when it is JSON, what it says. */
export interface EngineAnswer {
  readonly status: number;
  readonly value: unknown;
}

/** The HTTP interface of a container engine (Docker's, which Podman has too) on its unix socket. */
export interface EngineClient {
  readonly socketPath: string;
  ask(method: "GET" | "POST" | "DELETE", path: string, body?: object): Promise<EngineAnswer>;
  /** Starts what the path names, and hands out the connection as its streams. */
  hijack(path: string, body: object): Promise<Duplex>;
}

/** The version of the interface that is spoken: Docker 20.10 and Podman 3 have it. */
const VERSION = "/v1.41";
const ANSWER_WITHIN_MS = 60_000;
const messageSchema = z.object({ message: z.string() });

function parseBody(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function messageOf(value: unknown): string {
  const parsed = messageSchema.safeParse(value);
  return parsed.success ? parsed.data.message : typeof value === "string" ? value.slice(0, 500) : "";
}

/** An error with what the engine said. */
export function createEngineError(what: string, { status, value }: EngineAnswer): CanopyError {
  return new CanopyError(
    "workspace.failed",
    `${what}: the container engine answered ${status} ${messageOf(value)}`,
    {
      data: { status },
    },
  );
}

/** Talks to the engine behind a socket. Nothing is connected until something is asked. */
export function createEngineClient(socketPath: string): EngineClient {
  const send = (
    method: string,
    path: string,
    headers: Record<string, string>,
    body?: object,
  ): ClientRequest => {
    const text = body === undefined ? "" : JSON.stringify(body);
    const length = String(Buffer.byteLength(text));
    const made = request({
      socketPath,
      method,
      path: `${VERSION}${path}`,
      headers: { Host: "engine", "Content-Type": "application/json", "Content-Length": length, ...headers },
    });
    made.setTimeout(ANSWER_WITHIN_MS, () => made.destroy(new Error("the container engine does not answer")));
    made.end(text);
    return made;
  };
  return {
    socketPath,
    ask: (method, path, body) =>
      new Promise((resolve, reject) => {
        const made = send(method, path, {}, body);
        made.once("error", reject);
        made.once("response", (response) => {
          let text = "";
          response.setEncoding("utf8");
          response.on("data", (chunk: string) => (text += chunk));
          response.once("error", reject);
          response.once("end", () => resolve({ status: response.statusCode ?? 0, value: parseBody(text) }));
        });
      }),
    hijack: (path, body) =>
      new Promise((resolve, reject) => {
        const made = send("POST", path, { Connection: "Upgrade", Upgrade: "tcp" }, body);
        made.once("error", reject);
        made.once("upgrade", (_response, socket, head) => {
          socket.setTimeout(0);
          if (head.length > 0) socket.unshift(head);
          resolve(socket);
        });
        made.once("response", (response) => {
          response.resume();
          const answer = { status: response.statusCode ?? 0, value: "" };
          reject(createEngineError("a process could not be started", answer));
        });
      }),
  };
}
