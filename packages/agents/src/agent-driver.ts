import type {
  AgentErrorKind,
  AgentEvent,
  ErrorCode,
  Json,
  SpawnProcess,
  ToolCall,
  TurnEndReason,
  Usage,
} from "@canopy/protocol";

/** Kinds of tool call. */
export type ToolKind = ToolCall["kind"];

/** Whether an agent can do something by itself, not at all, or only because Canopy does it in its place. */
export type CapabilityLevel = boolean | "emulated";

/** What an agent can do, as data for rules and screens. */
export interface AgentCapabilities {
  readonly steer: CapabilityLevel;
  readonly queue: CapabilityLevel;
  readonly resume: CapabilityLevel;
  readonly fork: CapabilityLevel;
  readonly images: CapabilityLevel;
  readonly systemAppend: CapabilityLevel;
  readonly mcpHttp: CapabilityLevel;
  readonly modelList: CapabilityLevel;
  readonly cost: CapabilityLevel;
  /** Whether it says that its model refused. */
  readonly refusal: CapabilityLevel;
  readonly diff: CapabilityLevel;
}

/** What a driver is, before anything is started. Capabilities of ACP agents are a guess until a session is open. */
export interface AgentDescription {
  readonly kind: "acp" | "claude" | "codex" | "opencode" | "command" | "scripted";
  /** The command line for people to read. */
  readonly command: string;
  /** A name or absolute path that must be there before anything starts; null when that cannot be told. */
  readonly program: string | null;
  readonly capabilities: AgentCapabilities;
  /** Files at the repository's root that it reads by itself. */
  readonly readsFiles: readonly string[];
  /** Where it keeps its conversations, below HOME: what a session needs to go on elsewhere. */
  readonly memory: readonly string[];
}

/** What a probe needs. `env` is the whole environment, as for a session. */
export interface AgentProbeSpec {
  readonly spawn: SpawnProcess;
  readonly env: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/** Whether the agent's program is there. `detail` is one line for a person. */
export interface ProbeResult {
  readonly installed: boolean;
  readonly version: string | null;
  readonly detail: string;
}

/** A tool server that the agent shall connect to. */
export type AgentMcpServer =
  | {
      readonly type: "stdio";
      readonly name: string;
      readonly command: string;
      readonly args: readonly string[];
      readonly env: Readonly<Record<string, string>>;
    }
  | {
      readonly type: "http";
      readonly name: string;
      readonly url: string;
      readonly headers: Readonly<Record<string, string>>;
    };

/** A model that an agent offers. `id` is what `model` of a start takes. */
export interface AgentModel {
  readonly id: string;
  readonly name: string;
  readonly isDefault: boolean;
}

/** What an agent says of its models. */
export interface AgentModels {
  readonly models: readonly AgentModel[];
  /** Beginnings of names that it takes although it does not list them; the empty text: it takes any. */
  readonly alsoTakes: readonly string[];
}

/** A picture that goes with a prompt. */
export interface PromptImage {
  readonly name: string;
  readonly mediaType: "image/png" | "image/jpeg" | "image/gif" | "image/webp";
  readonly base64: string;
}

/** The task a session works on, told to the agent's process through `CANOPY_*` variables. */
export interface AgentTask {
  readonly taskId: string;
  readonly title: string;
  readonly description: string;
  readonly sessionId: string;
  /** The workspace's root as the agent sees it. */
  readonly workspace: string;
  readonly labels?: readonly string[];
  /** 1 for the first try. */
  readonly attemptNumber?: number;
}

/** One rule: the first that fits a tool call decides. An absent condition fits everything. */
export interface PermissionRule {
  readonly decision: "allow" | "deny" | "ask";
  readonly kinds?: readonly ToolKind[];
  /** A text in the tool's title or command with `*` for anything, such as `git push*`. */
  readonly title?: string;
  /** Fits only when every location lies in the working directory (`inside`), or one does not (`outside`). */
  readonly where?: "inside" | "outside";
}

/** Rules in order, then what holds when none fits; questions to a person time out as a refusal. */
export interface PermissionRules {
  readonly rules: readonly PermissionRule[];
  readonly otherwise: "allow" | "deny" | "ask";
  /** How long a person may take; null waits for ever. */
  readonly askMs: number | null;
}

/** What happens with the agent's permission requests: allow, deny, wait for `answerPermission`, or by rule. */
export type PermissionPolicy = "allow-all" | "deny-all" | "ask" | PermissionRules;

/** How to start a session. Nothing in it depends on a prompt. */
export interface AgentStartSpec {
  readonly spawn: SpawnProcess;
  /** Working directory as the agent sees it, absolute. */
  readonly cwd: string;
  /** The whole environment; the driver adds only its `CANOPY_*` variables. */
  readonly env: Readonly<Record<string, string>>;
  /** Variables of `env` that the agent's own tools need not see; kept from them where the agent allows that. */
  readonly secretNames?: readonly string[];
  readonly model: string | null;
  /** Text for the agent's system prompt; agents without one get it as a fenced preamble of the first prompt. */
  readonly systemAppend: string | null;
  readonly mcpServers: readonly AgentMcpServer[];
  readonly permissionPolicy: PermissionPolicy;
  /** The conversation to go on with; `asFork` begins another one with it and leaves it as it is. */
  readonly resume: { readonly nativeSessionId: string; readonly asFork?: boolean } | null;
  readonly task: AgentTask | null;
  /** Aborting it before `start` resolves stops the start, later it closes the session. */
  readonly signal: AbortSignal;
}

/** Why a turn failed, with what to do about it. */
export interface TurnError {
  readonly kind: AgentErrorKind;
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string | null;
  /** How long the other side asked to wait, when it said so. */
  readonly retryAfterMs: number | null;
  /** False when the same thing can only fail again, such as a command that does not exist. */
  readonly canRetry: boolean;
}

/** How a turn ended. `usage` is the total since the session began; `lastMessage` at most its last 64 KiB. */
export interface TurnResult {
  readonly reason: TurnEndReason;
  readonly usage: Usage;
  readonly error: TurnError | null;
  readonly lastMessage: string;
}

/**
 * One running agent. `events` has one consumer and must be read: an agent whose events nobody reads is held back. It
 * ends when the session is over.
 */
export interface AgentSession {
  readonly nativeSessionId: string | null;
  readonly capabilities: AgentCapabilities;
  readonly events: AsyncIterable<AgentEvent>;
  /**
   * Runs one turn and resolves when it is over; never rejects. While a turn runs, further prompts wait in line. Images are
   * for sessions whose `capabilities.images` is true; others leave them out.
   */
  prompt(text: string, images?: readonly PromptImage[]): Promise<TurnResult>;
  /**
   * Answers an open permission request; null refuses it. Throws `thing.not-found` for an unknown or already answered
   * request and `request.invalid` for an option it does not have.
   */
  answerPermission(requestId: string, optionId: string | null, by?: string): Promise<void>;
  /**
   * Answers an open question. Throws `thing.not-found` for an unknown or already answered one. The answer is a text, or
   * an object with one text for each question.
   */
  answerQuestion(requestId: string, answer: Json, by?: string): Promise<void>;
  /** Ends the running turn and the waiting prompts as `cancelled`. An agent that does not react is stopped. */
  cancel(): Promise<void>;
  /** Ends the agent and everything it started. Idempotent. */
  close(): Promise<void>;
}

/** What is known of a session before there is one: where its process runs, and with which settings. */
export type AgentPrepareSpec = Pick<
  AgentStartSpec,
  "spawn" | "cwd" | "env" | "secretNames" | "model" | "signal"
>;

/** An agent's process that waits for its session. Disposing ends it, unless it became a session. */
export interface PreparedAgent extends AsyncDisposable {
  /** Resolves when its process is gone, for whatever reason. */
  readonly exited: Promise<void>;
  /**
   * Makes it a session, once, with the same place and settings; its process does not get `CANOPY_*` variables of the task. Only
   * for new sessions: `resume` must be null. Throws what `start` throws; then nothing is left.
   */
  open(spec: AgentStartSpec): Promise<AgentSession>;
}

/** Starts sessions of one kind of agent. Drivers never start processes by themselves, but through `spec.spawn`. */
export interface AgentDriver {
  readonly name: string;
  describe(): AgentDescription;
  probe(spec: AgentProbeSpec): Promise<ProbeResult>;
  /** Throws `agent.not-found`, `agent.failed`, `agent.protocol`, `config.invalid` or `cancelled`; then nothing is left. */
  start(spec: AgentStartSpec): Promise<AgentSession>;
  /**
   * Starts a process that is told later what its session is about, so that its first answer comes sooner. Resolves when it waits.
   * Missing: this agent must know everything when it starts. Throws what `start` throws.
   */
  prepare?(spec: AgentPrepareSpec): Promise<PreparedAgent>;
  /**
   * The models that the agent offers as it is set up here; null: it does not say. Asks no model. Throws what `start` throws;
   * nothing is left. Missing: this kind of agent has no such question.
   */
  listModels?(spec: AgentPrepareSpec): Promise<AgentModels | null>;
}
