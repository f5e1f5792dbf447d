import type {
  Actor,
  AgentModelList,
  ChangeConflict,
  CoordinationRequest,
  DaemonStatus,
  DeliverReport,
  DeliverRequest,
  Image,
  Json,
  KeptPatch,
  Project,
  Resolution,
  ResolveRequest,
  Run,
  RunPlan,
  RunRequest,
  SandboxRefusal,
} from "@canopy/protocol";
import type { RoomHost } from "@canopy/core";

/** Structured log lines: an event's name and its fields. Never secrets. */
export interface ServerLog {
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  error(fields: Readonly<Record<string, unknown>>, message: string): void;
}

/** One answered request. `route` is the pattern, never the path, so that there are few of them. */
export interface ObservedRequest {
  readonly method: string;
  readonly route: string;
  readonly status: number;
  readonly seconds: number;
}

/** Metrics as the server uses them; `@canopy/server/metrics` makes them for Prometheus. */
export interface ServerMetrics {
  readonly contentType: string;
  observeRequest(request: ObservedRequest): void;
  /** The text of `/metrics`. */
  render(): Promise<string>;
}

/** Who asks, and under which key: the second request with a key gets the first one's answer. */
export interface Asked {
  readonly actor: Actor;
  readonly key: string;
}

/** What the merge queue's endpoints need of git, by project. All throw `thing.not-found` and `git.failed`. */
export interface QueuePorts {
  /** Makes sure that somebody carries out what a command asks for. */
  wake(projectId: string): Promise<void>;
  readConflict(projectId: string, changeId: string): Promise<ChangeConflict>;
  /** Merges again with the choices. Throws `conflict` while paths are unresolved, and what the room refuses. */
  resolve(projectId: string, changeId: string, request: ResolveRequest, asked: Asked): Promise<Resolution>;
  listPatches(projectId: string): Promise<readonly KeptPatch[]>;
  /** A kept commit as a patch in mail form. */
  exportPatch(
    projectId: string,
    ref: string,
  ): Promise<{ readonly ref: string; readonly commit: string; readonly patch: Uint8Array }>;
  /** Makes a kept commit its change's work. Throws `conflict` when it does not go on the branch any more. */
  applyPatch(projectId: string, ref: string, asked: Asked): Promise<Resolution>;
  expirePatches(
    projectId: string,
    isDryRun: boolean,
  ): Promise<readonly { readonly ref: string; readonly commit: string; readonly ageMs: number }[]>;
}

/** What people ask of agents before there is any work. */
export interface AgentPorts {
  /** What an agent says of its models in a work tree, by default the project's. Throws `usage.unknown-agent`, `agent.*`. */
  listModels(projectId: string, agent: string, path?: string): Promise<AgentModelList>;
  /** Throws `usage.invalid` for an agent that holds no conversation, and `usage.unknown-agent`. */
  requireConversational(projectId: string, agent: string): Promise<void>;
  /**
   * Makes sure that agents (null: the project's usual one) have models. Throws `usage.unknown-model`; returns what could not be
   * made sure of.
   */
  checkModels(
    projectId: string,
    wanted: readonly { readonly agent: string | null; readonly model: string; readonly where: string }[],
  ): Promise<readonly string[]>;
}

/** Pictures of tasks and prompts. */
export interface ImagePorts {
  /** Throws `request.invalid` for what is no image, and `request.too-large`. */
  put(projectId: string, name: string, bytes: Uint8Array): Promise<Image>;
  /** Throws `thing.not-found`. */
  read(projectId: string, imageId: string): Promise<Uint8Array>;
}

/** A run that was started, and what could not be made sure of. */
export interface StartedRun {
  readonly run: Run;
  readonly notices: readonly string[];
}

/** What agents' hooks and the acts of coordination go to. */
export interface CoordinationPorts {
  /** Answers a hook: what it prints and its exit code. Never throws. */
  handleHook(request: {
    readonly agent: string;
    readonly event: string | null;
    readonly body: string;
    readonly pid: number | null;
    readonly isBypassed: boolean;
  }): Promise<{ readonly body: string; readonly exitCode: number }>;
  /** One act of an agent or a person, with paths as they were typed. Throws what the room refuses. */
  act(request: CoordinationRequest, asked: Asked & { readonly signal: AbortSignal }): Promise<Json>;
}

/** What the server needs of the program it is part of. */
export interface ServerPorts {
  readonly host: RoomHost;
  /** The API token; requests over a trusted transport do without. */
  readonly token: string;
  /** Opens `POST /hooks/...` and nothing else: agents have it in their configuration. Without it only the API token does. */
  readonly hookToken?: string;
  /** Values of the Host header that are answered, such as `127.0.0.1:7770`. */
  allowedHosts(): readonly string[];
  /** Who asks when a request names nobody. */
  readonly defaultActor: Actor;
  readonly log: ServerLog;
  /** Answers `/mcp`, by tokens of its own. Without it there is none. */
  readonly agentTools?: { fetch(request: Request): Promise<Response> };
  /** Without it there is no `/metrics`. */
  readonly metrics?: ServerMetrics;
  newKey(): string;
  now(): number;
  status(): DaemonStatus;
  /** Finds or registers the project of a folder. Throws `repository.*`. */
  openProject(path: string): Promise<Project>;
  planRun(projectId: string, request: RunRequest): Promise<RunPlan>;
  /** Starts a run with the project's configuration. Throws `config.invalid`, `usage.unknown-*`, `repository.*`. */
  startRun(projectId: string, request: RunRequest, asked: Asked): Promise<StartedRun>;
  deliver(projectId: string, request: DeliverRequest): Promise<DeliverReport>;
  readonly queue: QueuePorts;
  readonly agents: AgentPorts;
  readonly images: ImagePorts;
  readonly coordination: CoordinationPorts;
  /** How workspaces are made here, and why not in a better way. */
  workspaceBackend(): Promise<{
    readonly backend: string;
    readonly skipped: readonly { readonly backend: string; readonly reason: string }[];
  }>;
  /** What sandboxes of a project were refused, oldest first. */
  listRefusals(projectId: string): Promise<readonly SandboxRefusal[]>;
  /** Begins a graceful stop; returns at once. */
  stop(): void;
}

/** What a transport says about a request beside its headers. */
export interface TransportContext {
  /** True for the unix socket, which only its owner can open. */
  readonly isTrusted: boolean;
}
