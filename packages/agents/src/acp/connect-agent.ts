import type { ChildProcessHandle } from "@canopy/protocol";
import type { AgentStartSpec } from "../agent-driver.ts";
import type { EventQueue } from "../event-queue.ts";
import type { EventWriter } from "../event-writer.ts";
import type { SessionGraces } from "../session/process-session.ts";
import type { AcpConnectionParts, AcpLink } from "./acp-link.ts";
import { openAcpWire } from "./acp-wire.ts";
import type { AcpWireListener } from "./acp-wire.ts";
import { mapSessionUpdate, toToolPatch } from "./map-update.ts";
import { emitRaw } from "../session/emit-raw.ts";
import { openProcessParts } from "../session/open-process-parts.ts";
import type { PermissionBroker } from "../session/permission-broker.ts";
import { permissionRequestSchema } from "./acp-schema.ts";

const MAX_EARLY = 1000;

/** A connection whose session is not open yet. */
export interface ConnectingAgent {
  readonly parts: AcpConnectionParts;
  link: AcpLink | null;
  /** True while a resumed session may replay its past, which Canopy has already and leaves out. */
  isReplaying: boolean;
  /** What came before the session was open, told after `session.started`; null from then on. */
  early: (() => void)[] | null;
  readonly notice: (text: string) => void;
}

type Inbox = Pick<ConnectingAgent, "link" | "isReplaying" | "early">;

function createListener(inbox: Inbox, writer: EventWriter, queue: EventQueue): AcpWireListener {
  const inOrder = (tell: () => void): void => {
    if (inbox.early === null) tell();
    else if (inbox.early.length < MAX_EARLY) inbox.early.push(tell);
  };
  const warn = (text: string): void => writer.emit({ type: "notice", level: "warn", text });
  const take = (method: string, params: unknown): void => {
    try {
      if (method !== "session/update") emitRaw(writer, `acp.${method}`, params ?? null);
      else if (mapSessionUpdate(writer, params).hasSystemError) inbox.link?.noteSystemError();
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

/** ACP's answer to a permission request. */
type PermissionOutcome = { outcome: "selected"; optionId: string } | { outcome: "cancelled" };

async function askPermission(
  permissions: PermissionBroker,
  params: unknown,
  signal: AbortSignal,
): Promise<PermissionOutcome> {
  const { toolCall, options } = permissionRequestSchema.parse(params);
  const offered = options.map(({ optionId, name, kind }) => ({ optionId, name, kind }));
  const request = { toolCallId: toolCall.toolCallId, patch: toToolPatch(toolCall), options: offered };
  const optionId = await permissions.ask(request, signal);
  return optionId === null ? { outcome: "cancelled" } : { outcome: "selected", optionId };
}

/** Connects to an agent's process. The SDK is loaded here, so that nobody pays for it who starts no agent. */
export async function connectAgent(
  child: ChildProcessHandle,
  options: { readonly label: string; readonly graces: Partial<SessionGraces> },
  spec: AgentStartSpec,
): Promise<ConnectingAgent> {
  const shared = openProcessParts(child, options, spec);
  const { queue, writer, permissions } = shared;
  const inbox: Inbox = { link: null, isReplaying: spec.resume !== null, early: [] };
  const listener = createListener(inbox, writer, queue);
  const { client } = await import("@agentclientprotocol/sdk");
  const connection = client({ name: "canopy" })
    .onRequest(
      "session/request_permission",
      (params: unknown) => params,
      async ({ params, signal }) => ({ outcome: await askPermission(permissions, params, signal) }),
    )
    .connect(openAcpWire(child, listener));
  const parts: AcpConnectionParts = {
    ...shared,
    request: (method, params) => connection.agent.request(method, params),
    notify: (method, params) => connection.agent.notify(method, params),
    disconnect: () => connection.close(),
  };
  return Object.assign(inbox, { parts, notice: listener.onNotice });
}
