import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";

interface Exec {
  readonly containerId: string;
  readonly description: { Cmd: string[]; Env: string[]; WorkingDir: string; User: string };
  child: ChildProcess | null;
  exitCode: number | null;
}

interface Container {
  readonly name: string;
  readonly description: {
    Image: string;
    Labels: Record<string, string>;
    HostConfig: Record<string, unknown>;
  };
  isRunning: boolean;
  isPaused: boolean;
}

/**
 * A container engine as its documentation describes it (Docker's Engine API 1.41: status codes, bodies, the hijacked and framed
 * stream of an exec), whose containers are only remembered and whose processes are plain ones of this machine. Written from the
 * document, and tried against no real engine.
 */
export interface FakeEngine extends AsyncDisposable {
  readonly socketPath: string;
  readonly containers: ReadonlyMap<string, Container>;
  /** Every request, as `POST /containers/create`, without ids. */
  readonly requests: readonly string[];
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  let text = "";
  for await (const chunk of request) text += String(chunk);
  return text === "" ? {} : JSON.parse(text);
}

function frame(kind: number, content: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt8(kind, 0);
  header.writeUInt32BE(content.length, 4);
  return Buffer.concat([header, content]);
}

class Engine implements FakeEngine {
  readonly socketPath: string;
  readonly containers = new Map<string, Container>();
  readonly requests: string[] = [];
  readonly #needsRlimits: boolean;
  readonly #execs = new Map<string, Exec>();
  readonly #server: Server;
  readonly #sockets = new Set<Duplex>();

  constructor(socketPath: string, needsRlimits: boolean) {
    this.socketPath = socketPath;
    this.#needsRlimits = needsRlimits;
    this.#server = createServer((request, response) => void this.#answer(request, response));
    this.#server.on(
      "upgrade",
      (request: IncomingMessage, socket: Duplex, head: Buffer) => void this.#attach(request, socket, head),
    );
    this.#server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
  }

  async listen(): Promise<void> {
    this.#server.listen(this.socketPath);
    await once(this.#server, "listening");
  }

  #note(request: IncomingMessage): { path: string; query: URLSearchParams } {
    const url = new URL(request.url ?? "", "http://engine");
    const path = url.pathname.replace(/^\/v1\.41/, "");
    this.requests.push(`${request.method ?? ""} ${path.replace(/[0-9a-f]{16}/, "ID")}`);
    return { path, query: url.searchParams };
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { path, query } = this.#note(request);
    const body = await readBody(request);
    const send = (status: number, value?: unknown): void => {
      response.writeHead(status, { "content-type": "application/json" });
      response.end(value === undefined ? "" : JSON.stringify(value));
    };
    if (path === "/_ping") return void response.writeHead(200, { "api-version": "1.41" }).end("OK");
    if (path === "/containers/create") return this.#create(query.get("name") ?? "", body, send);
    if (path === "/containers/json") return this.#list(query, send);
    const [, kind = "", id = "", action = ""] = path.split("/");
    if (kind === "exec") {
      const exec = this.#execs.get(id);
      if (exec === undefined) return send(404, { message: `No such exec instance: ${id}` });
      return send(200, {
        ID: id,
        Running: exec.child !== null && exec.exitCode === null,
        ExitCode: exec.exitCode,
        Pid: exec.child?.pid ?? 0,
      });
    }
    return this.#onContainer(id, request.method === "DELETE" ? "delete" : action, body, send);
  }

  #create(name: string, body: unknown, send: (status: number, value?: unknown) => void): void {
    const description = body as Container["description"];
    if (description.Image === "missing:latest")
      return send(404, { message: "No such image: missing:latest" });
    const id = randomBytes(8).toString("hex");
    this.containers.set(id, { name, description, isRunning: false, isPaused: false });
    send(201, { Id: id, Warnings: [] });
  }

  #list(query: URLSearchParams, send: (status: number, value?: unknown) => void): void {
    const filters = JSON.parse(query.get("filters") ?? "{}") as { label?: string[] };
    const fits = (container: Container): boolean =>
      (filters.label ?? []).every((label) => {
        const [key = "", value = ""] = label.split("=");
        return container.description.Labels[key] === value;
      });
    const found = [...this.containers].filter(([, container]) => fits(container));
    send(
      200,
      found.map(([id, { name, description }]) => ({
        Id: id,
        Names: [`/${name}`],
        Labels: description.Labels,
      })),
    );
  }

  #onContainer(
    id: string,
    action: string,
    body: unknown,
    send: (status: number, value?: unknown) => void,
  ): void {
    const container = this.containers.get(id);
    if (container === undefined) return send(404, { message: `No such container: ${id}` });
    if (action === "delete") {
      for (const exec of this.#execs.values()) if (exec.containerId === id) exec.child?.kill("SIGKILL");
      this.containers.delete(id);
      return send(204);
    }
    if (action === "start" && this.#needsRlimits && container.description.HostConfig["Ulimits"] === undefined)
      return send(500, { message: "setrlimit RLIMIT_NOFILE: Operation not permitted" });
    if (action === "start") container.isRunning = true;
    if (action === "pause") container.isPaused = true;
    if (action === "unpause") container.isPaused = false;
    if (action === "json")
      return send(200, { Id: id, State: { Running: container.isRunning, OOMKilled: false } });
    if (action !== "exec") return send(204);
    if (!container.isRunning) return send(409, { message: `Container ${id} is not running` });
    const execId = randomBytes(8).toString("hex");
    const description = body as Exec["description"];
    this.#execs.set(execId, { containerId: id, description, child: null, exitCode: null });
    return send(201, { Id: execId });
  }

  async #attach(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const { path } = this.#note(request);
    const exec = this.#execs.get(path.split("/")[2] ?? "");
    if (exec === undefined) return void socket.end("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    // The body of the request comes before the stream: its length is known.
    let left = Number(request.headers["content-length"] ?? 0);
    socket.write(
      "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
    );
    const { Cmd, Env, WorkingDir } = exec.description;
    const [program = "sh", ...args] = Cmd;
    const env = Object.fromEntries(
      Env.map((each) => [each.slice(0, each.indexOf("=")), each.slice(each.indexOf("=") + 1)]),
    );
    // There is no process namespace here: "everybody" is this exec's own group.
    const isKillAll = Cmd.at(-1) === "kill -9 -1";
    if (isKillAll)
      for (const other of this.#execs.values())
        if (other.containerId === exec.containerId) killGroup(other.child);
    const child = isKillAll
      ? spawn("true", [])
      : spawn(program, args, { cwd: WorkingDir, env: { PATH: process.env["PATH"], ...env }, detached: true });
    exec.child = child;
    socket.on("error", () => undefined);
    child.stdin.on("error", () => undefined);
    socket.on("data", (chunk: Buffer) => {
      const skipped = Math.min(left, chunk.length);
      left -= skipped;
      if (chunk.length > skipped) child.stdin.write(chunk.subarray(skipped));
    });
    if (head.length > 0) socket.unshift(head);
    socket.on("end", () => child.stdin.end());
    child.stdout.on("data", (chunk: Buffer) => socket.write(frame(1, chunk)));
    child.stderr.on("data", (chunk: Buffer) => socket.write(frame(2, chunk)));
    const [code, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
    exec.exitCode = code ?? (signal === "SIGKILL" ? 137 : signal === "SIGTERM" ? 143 : 130);
    socket.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { child } of this.#execs.values()) killGroup(child);
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

function killGroup(child: ChildProcess | null): void {
  try {
    if (child?.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}

/** Starts a fake engine on a socket file. `needsRlimits`: containers start only with rlimits of their own, for its usual ones are refused. */
export async function startFakeEngine(
  socketPath: string,
  { needsRlimits = false }: { readonly needsRlimits?: boolean } = {},
): Promise<FakeEngine> {
  const engine = new Engine(socketPath, needsRlimits);
  await engine.listen();
  return engine;
}
