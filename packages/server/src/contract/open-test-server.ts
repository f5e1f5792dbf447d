import type { Project } from "@canopy/protocol";
import { CanopyError, daemonStatusSchema } from "@canopy/protocol";
import type { TestHost } from "@canopy/testkit";
import { TEST_PERSON, openTestHost } from "@canopy/testkit";
import type { Server } from "../create-server.ts";
import { createServer } from "../create-server.ts";
import type { QueuePorts, ServerPorts } from "../server-ports.ts";

/** A server over rooms in memory, with what happened to its ports. */
export interface TestServer extends Disposable {
  readonly host: TestHost;
  readonly project: Project;
  readonly server: Server;
  readonly ports: ServerPorts;
  /** Messages of the log's errors. */
  readonly logged: unknown[];
  readonly stops: number[];
  /** A request as somebody on this machine makes it: with the token, from the right host. */
  request(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Response>;
  /** The same, and the answer's JSON; throws unless its status is a success. */
  ask(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<unknown>;
}

/** The token of test servers. */
export const TEST_TOKEN = "t0ken";
/** The host of test servers. */
export const TEST_HOST = "127.0.0.1:7770";

function notHere(): never {
  throw new CanopyError("usage.invalid", "not in this test");
}

const NO_QUEUE: QueuePorts = {
  wake: () => Promise.resolve(),
  readConflict: notHere,
  resolve: notHere,
  listPatches: notHere,
  exportPatch: notHere,
  applyPatch: notHere,
  expirePatches: notHere,
};

const NO_AGENTS: ServerPorts["agents"] = {
  listModels: notHere,
  checkModels: () => Promise.resolve([]),
  requireConversational: () => Promise.resolve(),
};

/** Makes a server with one project, `prj_web`. `change` replaces ports. */
export function openTestServer(change: Partial<ServerPorts> = {}): TestServer {
  const host = openTestHost();
  const project = host.addProject("web");
  const logged: unknown[] = [];
  const stops: number[] = [];
  let keyCount = 0;
  const ports: ServerPorts = {
    host,
    token: TEST_TOKEN,
    allowedHosts: () => [TEST_HOST, "localhost:7770", "[::1]:7770"],
    defaultActor: TEST_PERSON,
    log: { info: () => {}, error: (fields) => void logged.push(fields["error"]) },
    newKey: () => {
      keyCount += 1;
      return `key-${keyCount}`;
    },
    now: () => host.nowMs,
    status: () => daemonStatusSchema.parse(STATUS),
    openProject: () => Promise.resolve(project),
    planRun: notHere,
    startRun: notHere,
    images: { put: notHere, read: notHere },
    agents: NO_AGENTS,
    deliver: notHere,
    coordination: {
      handleHook: ({ body }) => Promise.resolve({ body, exitCode: 0 }),
      act: (request) => Promise.resolve({ type: request.action.type }),
    },
    queue: NO_QUEUE,
    workspaceBackend: () => Promise.resolve({ backend: "overlay", skipped: [] }),
    listRefusals: notHere,
    stop: () => void stops.push(host.nowMs),
    ...change,
  };
  const server = createServer(ports);
  const request: TestServer["request"] = async (method, path, body, headers = {}) => {
    const init = {
      method,
      headers: { host: TEST_HOST, authorization: `Bearer ${TEST_TOKEN}`, ...headers },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    };
    return await server.fetch(new Request(`http://${TEST_HOST}${path}`, init), { isTrusted: false });
  };
  return {
    host,
    project,
    server,
    ports,
    logged,
    stops,
    request,
    ask: async (method, path, body, headers) => {
      const response = await request(method, `/api/v1${path}`, body, headers);
      const answer: unknown = await response.json();
      if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${JSON.stringify(answer)}`);
      return answer;
    },
    [Symbol.dispose]: () => host[Symbol.dispose](),
  };
}

const STATUS = {
  pid: 1,
  version: "0.1.0",
  wireVersion: 1,
  startedAtMs: 0,
  uptimeMs: 0,
  port: 7770,
  socketPath: "/run/canopy.sock",
  stateDirectory: "/state",
  cacheDirectory: "/cache",
  memoryBytes: 1,
  activeRuns: 0,
  activeAttempts: 0,
  activeLevels: {},
  projects: [],
};
