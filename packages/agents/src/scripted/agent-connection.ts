import { Buffer } from "node:buffer";
import { once } from "node:events";
import { ByteLines } from "../byte-lines.ts";

/** A JSON-RPC error that goes to the client. */
export class RpcError extends Error {
  readonly rpcCode: number;
  readonly data: unknown;

  constructor(rpcCode: number, message: string, data?: unknown) {
    super(message);
    this.rpcCode = rpcCode;
    this.data = data;
  }
}

/** What the agent answers to. A handler's value is the result, what it throws the error. */
export interface AgentHandlers {
  request(method: string, params: unknown): Promise<unknown>;
  notification(method: string, params: unknown): void;
}

const MAX_LINE_BYTES = 64 * 1024 * 1024;

/**
 * The agent's end of an ACP connection on standard input and output. Hand-written, because the SDK takes longer to load
 * than a whole scripted turn takes to play.
 */
export class AgentConnection {
  readonly #handlers: AgentHandlers;
  readonly #open = new Map<number, (result: unknown) => void>();
  #requestCount = 0;

  constructor(handlers: AgentHandlers) {
    this.#handlers = handlers;
  }

  /** Serves until standard input ends. */
  async serve(): Promise<void> {
    const lines = new ByteLines(MAX_LINE_BYTES, "drop");
    for await (const chunk of process.stdin) {
      if (!Buffer.isBuffer(chunk)) continue;
      for (const line of lines.push(chunk)) this.#receive(Buffer.from(line).toString("utf8"));
    }
  }

  /** Sends a notification; resolves when the pipe took it. */
  notify(method: string, params: unknown): Promise<void> {
    return this.#send({ jsonrpc: "2.0", method, params });
  }

  /** Asks the client; resolves with its result, or null when it answered with an error. */
  async request(method: string, params: unknown): Promise<unknown> {
    this.#requestCount += 1;
    const id = this.#requestCount;
    const { promise, resolve } = Promise.withResolvers<unknown>();
    this.#open.set(id, resolve);
    await this.#send({ jsonrpc: "2.0", id, method, params });
    return promise;
  }

  /** Writes text as it is, protocol or not. */
  async writeRaw(text: string): Promise<void> {
    if (!process.stdout.write(text)) await once(process.stdout, "drain");
  }

  #send(message: unknown): Promise<void> {
    return this.writeRaw(`${JSON.stringify(message)}\n`);
  }

  #receive(line: string): void {
    let message: unknown;
    try {
      message = JSON.parse(line);
    } catch {
      void this.#send({ jsonrpc: "2.0", id: null, error: { code: -32_700, message: "Parse error" } });
      return;
    }
    if (typeof message !== "object" || message === null) return;
    const id = "id" in message ? message.id : null;
    const params = "params" in message ? message.params : null;
    if ("method" in message && typeof message.method === "string") {
      if (id === null) this.#handlers.notification(message.method, params);
      else void this.#answer(id, message.method, params);
      return;
    }
    if (typeof id !== "number") return;
    this.#open.get(id)?.("result" in message ? message.result : null);
    this.#open.delete(id);
  }

  async #answer(id: unknown, method: string, params: unknown): Promise<void> {
    try {
      const result = await this.#handlers.request(method, params);
      await this.#send({ jsonrpc: "2.0", id, result });
    } catch (error) {
      const { rpcCode, data, message } =
        error instanceof RpcError
          ? error
          : new RpcError(-32_603, error instanceof Error ? error.message : String(error));
      await this.#send({
        jsonrpc: "2.0",
        id,
        error: { code: rpcCode, message, ...(data === undefined ? {} : { data }) },
      });
    }
  }
}
