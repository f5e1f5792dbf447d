import { TextDecoder } from "node:util";
import type { ChildProcessHandle } from "@canopy/protocol";
import type { AgentStartSpec } from "../agent-driver.ts";
import { TextTail } from "../byte-lines.ts";
import { EventQueue } from "../event-queue.ts";
import { EventWriter } from "../event-writer.ts";
import type { AcpConnectionParts, AcpGraces, AcpSession } from "./acp-session.ts";
import { openAcpWire } from "./acp-wire.ts";
import type { AcpWireListener } from "./acp-wire.ts";
import { emitRaw, mapSessionUpdate } from "./map-update.ts";
import { PermissionBroker } from "./permission-broker.ts";

const DEFAULT_GRACES: AcpGraces = { cancelMs: 10_000, endInputMs: 2_000, stopMs: 2_000 };
const STDERR_CHARS = 4_000;
const MAX_EARLY = 1000;

/** A connection whose session is not open yet. */
export interface ConnectingAgent {
  readonly parts: AcpConnectionParts;
  session: AcpSession | null;
  /** True while a resumed session may replay its past, which Canopy has already and leaves out. */
  isReplaying: boolean;
  /** What came before the session was open, told after `session.started`; null from then on. */
  early: (() => void)[] | null;
  readonly notice: (text: string) => void;
}

type Inbox = Pick<ConnectingAgent, "session" | "isReplaying" | "early">;

async function drainStderr(child: ChildProcessHandle, tail: TextTail): Promise<void> {
  const decoder = new TextDecoder();
  for await (const chunk of child.stderr) tail.push(decoder.decode(chunk, { stream: true }));
}

function createListener(inbox: Inbox, writer: EventWriter, queue: EventQueue): AcpWireListener {
  const inOrder = (tell: () => void): void => {
    if (inbox.early === null) tell();
    else if (inbox.early.length < MAX_EARLY) inbox.early.push(tell);
  };
  const warn = (text: string): void => writer.emit({ type: "notice", level: "warn", text });
  const take = (method: string, params: unknown): void => {
    try {
      if (method !== "session/update") emitRaw(writer, `acp.${method}`, params ?? null);
      else if (mapSessionUpdate(writer, params).hasSystemError) inbox.session?.noteSystemError();
    } catch (error) {
      // Only a value nested deeper than the stack comes here; a strange update must not end the session.
      warn(`unreadable ${method}: ${String(error).slice(0, 200)}`);
    }
  };
  return {
    onNotification: (method, params) => {
      if (inbox.isReplaying && method === "session/update") return;
      inOrder(() => take(method, params));
    },
    onNotice: (text) => inOrder(() => warn(text)),
    room: () => (queue.hasRoom() ? null : queue.room()),
  };
}

/** Connects to an agent's process. The SDK is loaded here, so that nobody pays for it who starts no agent. */
export async function connectAgent(
  child: ChildProcessHandle,
  options: { readonly label: string; readonly graces: Partial<AcpGraces> },
  spec: AgentStartSpec,
): Promise<ConnectingAgent> {
  const queue = new EventQueue();
  const writer = new EventWriter(queue);
  const permissions = new PermissionBroker(writer, spec.permissionPolicy);
  const stderr = new TextTail(STDERR_CHARS);
  // A broken error pipe only shortens what can be told about a crash.
  const stderrEnded = drainStderr(child, stderr).catch(() => undefined);
  const inbox: Inbox = { session: null, isReplaying: spec.resume !== null, early: [] };
  const listener = createListener(inbox, writer, queue);
  const { client } = await import("@agentclientprotocol/sdk");
  const connection = client({ name: "canopy" })
    .onRequest(
      "session/request_permission",
      (params: unknown) => params,
      async ({ params, signal }) => ({ outcome: await permissions.ask(params, signal) }),
    )
    .connect(openAcpWire(child, listener));
  const parts: AcpConnectionParts = {
    label: options.label,
    child,
    request: (method, params) => connection.agent.request(method, params),
    notify: (method, params) => connection.agent.notify(method, params),
    disconnect: () => connection.close(),
    queue,
    writer,
    permissions,
    stderr,
    stderrEnded,
    graces: { ...DEFAULT_GRACES, ...options.graces },
  };
  return Object.assign(inbox, { parts, notice: listener.onNotice });
}
