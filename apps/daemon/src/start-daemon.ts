import { randomBytes, randomUUID } from "node:crypto";
import { rmSync } from "node:fs";
import { hostname, userInfo } from "node:os";
import { dirname, join } from "node:path";
import type { Actor, DaemonStatus, Project } from "@canopy/protocol";
import { CANOPY_VERSION, WIRE_VERSION } from "@canopy/protocol";
import { selectProject, selectProjects } from "@canopy/core";
import { ensureHookToken } from "@canopy/hooks";
import { createServer } from "@canopy/server";
import type { Server, ServerPorts } from "@canopy/server";
import { createAgentToolServer } from "@canopy/server/mcp";
import type { AgentToolServer } from "@canopy/server/mcp";
import { createMetrics } from "@canopy/server/metrics";
import { Coordination } from "./coordination/coordination.ts";
import { installHookClient } from "./coordination/install-hook-client.ts";
import { acquireDaemonLock } from "./home/daemon-lock.ts";
import type { DaemonPaths } from "./home/daemon-paths.ts";
import { readOrCreateToken, writePrivateFile } from "./home/private-file.ts";
import { openLog } from "./open-log.ts";
import { ProjectHub } from "./projects/project-hub.ts";
import type { HubOptions } from "./projects/project-hub.ts";
import { openImageStore } from "./images/image-store.ts";
import { createAgentPorts } from "./projects/create-agent-ports.ts";
import { createQueuePorts } from "./queue/create-queue-ports.ts";
import { openRoomHost } from "./rooms/open-room-host.ts";
import type { NodeRoomHost } from "./rooms/open-room-host.ts";
import { createRefusalNoter, readRefusals } from "./sandbox/refusal-log.ts";
import { listenForHooks } from "./server/listen-for-hooks.ts";
import { listen } from "./server/listen.ts";

/** What a daemon is started with. */
export interface DaemonOptions {
  readonly paths: DaemonPaths;
  /** Loopback port; 0 takes any free one. */
  readonly port: number;
  readonly logLevel: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** A running daemon. */
export interface Daemon {
  readonly port: number;
  /** Ends agents (their work is kept), closes sockets and rooms. Idempotent. */
  stop(): Promise<void>;
  /** Resolves when the daemon has stopped, whoever asked for it. */
  readonly stopped: Promise<void>;
}

/** Starts the daemon of this user. Throws `daemon.locked` when one runs, `daemon.port-taken`, `disk.full`. */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const { paths } = options;
  await using stack = new AsyncDisposableStack();
  stack.use(acquireDaemonLock(paths.lockPath));
  const log = openLog(paths.logPath, options.logLevel);
  const startedAtMs = Date.now();
  const host = stack.use(
    openRoomHost({
      roomsDir: paths.roomsDir,
      onBroken: (address, error) =>
        log.error({ address, error }, "a room broke an invariant and has stopped"),
    }),
  );
  const tools = createTools(host, log, () => coordination);
  const hub = stack.use(createHub(options, { host, tools, log }));
  const coordination = stack.use(new Coordination({ hub, log, mirrorDir: join(paths.stateDir, "projects") }));
  installHookClient(paths.hookClientDir);
  let stopping: Promise<void> | null = null;
  let boundPort = options.port;
  const stopped = Promise.withResolvers<void>();
  const ports = createPorts(
    { host, hub, coordination, log, paths, token: readOrCreateToken(paths.tokenPath), startedAtMs },
    () => ({
      port: boundPort,
      stop: () => {
        void stop();
      },
    }),
  );
  const { metrics, useServer } = createDaemonMetrics(host, hub);
  const server = useServer(createServer({ ...ports, metrics, agentTools: tools }));
  const listening = stack.use(await listen({ server, port: options.port, socketPath: paths.socketPath }));
  boundPort = listening.port;
  stack.use(await listenForHooks(paths.hookSocketPath, (request) => coordination.handleHook(request)));
  writeInfo(paths, boundPort, startedAtMs);
  stack.defer(() => {
    rmSync(paths.infoPath, { force: true });
    rmSync(paths.socketPath, { force: true });
  });
  const resources = stack.move();
  const stop = async (): Promise<void> => {
    stopping ??= (async (): Promise<void> => {
      log.info({}, "stopping");
      await resources.disposeAsync();
      log.info({}, "stopped");
      stopped.resolve();
    })();
    await stopping;
  };
  log.info({ port: boundPort, version: CANOPY_VERSION, stateDir: paths.stateDir }, "started");
  hub.resume().catch((error: unknown) => log.error({ error }, "resuming unfinished work failed"));
  return { port: boundPort, stop, stopped: stopped.promise };
}

function createHub(
  { paths, environment }: DaemonOptions,
  parts: Pick<HubOptions, "host" | "tools" | "log">,
): ProjectHub {
  return new ProjectHub({
    ...parts,
    images: openImageStore(join(paths.stateDir, "images")),
    cacheDir: paths.cacheDir,
    privateDirectories: [...new Set([paths.stateDir, dirname(paths.socketPath)])],
    onRefusal: createRefusalNoter(paths.stateDir, parts.log),
    hostId: `${hostname()}:${paths.stateDir}`,
    environment,
  });
}

/** The agents' tools. A token is 256 random bits. */
function createTools(
  host: NodeRoomHost,
  log: ServerPorts["log"],
  coordination: () => Coordination,
): AgentToolServer {
  return createAgentToolServer({
    host,
    log,
    newToken: () => randomBytes(32).toString("base64url"),
    newKey: () => randomUUID(),
    now: () => Date.now(),
    coordinate: async (grant, action) => await coordination().actFor(grant, action, `tool:${randomUUID()}`),
  });
}

/** Metrics of everything that happens in the rooms. The server is made with them, so its own counts come late. */
function createDaemonMetrics(
  host: NodeRoomHost,
  hub: ProjectHub,
): { readonly metrics: ReturnType<typeof createMetrics>; readonly useServer: (server: Server) => Server } {
  let server: Server | null = null;
  const metrics = createMetrics({
    host,
    feedCounts: () => server?.feeds.counts,
    memoryBytes: () => process.memoryUsage.rss(),
    overlayMounts: () => hub.countActive().attempts,
    rooms: () => host.measureRooms(),
  });
  host.onEvents((_address, events) => metrics.observeEvents(events));
  return {
    metrics,
    useServer: (made) => {
      server = made;
      return made;
    },
  };
}

function writeInfo(paths: DaemonPaths, port: number, startedAtMs: number): void {
  const info = { version: 1, pid: process.pid, port, socketPath: paths.socketPath, startedAtMs };
  writePrivateFile(paths.infoPath, `${JSON.stringify(info)}\n`);
}

interface PortParts {
  readonly host: NodeRoomHost;
  readonly hub: ProjectHub;
  readonly coordination: Coordination;
  readonly log: ServerPorts["log"];
  readonly paths: DaemonPaths;
  readonly token: string;
  readonly startedAtMs: number;
}

function createPorts(
  parts: PortParts,
  late: () => { readonly port: number; readonly stop: () => void },
): ServerPorts {
  const { host, hub, paths, startedAtMs } = parts;
  const defaultActor: Actor = { kind: "person", id: userInfo().username };
  return {
    host,
    token: parts.token,
    hookToken: ensureHookToken(paths.stateDir),
    allowedHosts: () => ["127.0.0.1", "localhost", "[::1]"].map((name) => `${name}:${late().port}`),
    defaultActor,
    log: parts.log,
    newKey: () => randomUUID(),
    now: () => Date.now(),
    status: () => readStatus(parts, late().port, startedAtMs),
    openProject: async (path): Promise<Project> => {
      const { project } = await hub.openByPath(path, defaultActor);
      return host.room("node")?.read((sql) => selectProject(sql, project.projectId)) ?? project;
    },
    planRun: async (projectId, request) => await (await hub.openById(projectId)).planRun(request),
    startRun: async (projectId, request, asked) =>
      await (await hub.openById(projectId)).startRun(request, asked),
    deliver: async (projectId, request) => await (await hub.openById(projectId)).deliver(request),
    queue: createQueuePorts(hub),
    agents: createAgentPorts(hub),
    images: hub.images,
    coordination: {
      handleHook: async (request) => await parts.coordination.handleHook(request),
      act: async (request, asked) => await parts.coordination.act(request, asked),
    },
    listRefusals: (projectId) => readRefusals(paths.stateDir, projectId),
    workspaceBackend: () => hub.workspaceBackend(),
    // After the answer is on its way.
    stop: () => setImmediate(() => late().stop()),
  };

  function readStatus(from: PortParts, port: number, sinceMs: number): DaemonStatus {
    const active = hub.countActive();
    const projects = from.host.room("node")?.read((sql) => selectProjects(sql)) ?? [];
    return {
      pid: process.pid,
      version: CANOPY_VERSION,
      wireVersion: WIRE_VERSION,
      startedAtMs: sinceMs,
      uptimeMs: Date.now() - sinceMs,
      port,
      socketPath: paths.socketPath,
      stateDirectory: paths.stateDir,
      cacheDirectory: paths.cacheDir,
      memoryBytes: process.memoryUsage.rss(),
      activeRuns: active.runs,
      activeAttempts: active.attempts,
      activeLevels: hub.countLevels(),
      projects: projects.map(({ projectId, name, path }) => ({ projectId, name, path })),
    };
  }
}
