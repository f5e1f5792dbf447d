import { createToolBridge } from "@canopy/agents";
import type { AgentMcpServer } from "@canopy/agents";
import {
  GENERAL_FEATURE_ID,
  buildSystemText,
  featureRoomAddress,
  selectContext,
  selectOrigin,
  selectPast,
  selectQueuedPrompt,
} from "@canopy/core";
import type { EventEnvelope, ProjectId, Prompt } from "@canopy/protocol";
import type { HostedSession, SessionHost, SessionOpening } from "@canopy/runner";
import type { AgentToolServer } from "@canopy/server/mcp";
import type { HostedRoom } from "../rooms/hosted-room.ts";
import type { ImageStore } from "../images/image-store.ts";
import type { NodeRoomHost } from "../rooms/open-room-host.ts";
import { serveTools } from "./serve-tools.ts";

/** What a session host needs. */
export interface SessionHostOptions {
  readonly host: NodeRoomHost;
  readonly projectId: ProjectId;
  readonly tools: AgentToolServer;
  readonly images: ImageStore;
}

interface Served extends AsyncDisposable {
  readonly server: AgentMcpServer;
}

/** What the rooms of one project know for the agents that work in it, in this process. */
export function createSessionHost({ host, projectId, tools, images }: SessionHostOptions): SessionHost {
  const feature = (): HostedRoom => {
    const room = host.room(featureRoomAddress(projectId, GENERAL_FEATURE_ID));
    if (room === undefined) throw new Error(`broken invariant: project ${projectId} has a feature`);
    return room;
  };
  const serve = async ({ job, socketFolder, workspace, permissions }: SessionOpening): Promise<Served> => {
    const { sessionId, taskId } = job;
    await using stack = new AsyncDisposableStack();
    const access = stack.use(tools.grant({ projectId, sessionId, taskId, workspace, permissions }));
    const listener = stack.use(await serveTools(tools, socketFolder));
    const resources = stack.move();
    return {
      server: createToolBridge({ path: listener.path, token: access.token }),
      [Symbol.asyncDispose]: () => resources.disposeAsync(),
    };
  };
  return {
    open: async (opening: SessionOpening): Promise<HostedSession> => {
      const { sessionId } = opening.job;
      const served = opening.isConversational ? await serve(opening) : null;
      return {
        systemText:
          served === null ? null : buildSystemText({ context: feature().read((sql) => selectContext(sql)) }),
        mcpServers: served === null ? [] : [served.server],
        readPast: () => {
          if (served === null) return null;
          const past = feature().read((sql) => selectPast(sql, sessionId));
          return past === null ? null : { nativeSessionId: past.nativeSessionId, transcript: past.lines };
        },
        readOrigin: () => {
          const { forkOf } = opening.job;
          if (served === null || forkOf === null) return null;
          const past = feature().read((sql) => selectOrigin(sql, forkOf));
          const nativeSessionId = forkOf.isWhole ? (past?.nativeSessionId ?? null) : null;
          return past === null ? null : { nativeSessionId, transcript: past.lines };
        },
        nextPrompt: () => {
          const prompt = feature().read((sql) => selectQueuedPrompt(sql, sessionId));
          if (prompt === undefined) return null;
          const { promptId, text, author, images = [] } = prompt;
          return { promptId, text, author, images };
        },
        readImage: async ({ imageId, name, mediaType }) => {
          const bytes = await images.read(projectId, imageId);
          return { name, mediaType, base64: Buffer.from(bytes).toString("base64") };
        },
        onInterrupt: (listen) =>
          feature().subscribe({
            events: (events) => {
              if (events.some((event) => isInterrupt(event, sessionId))) listen();
            },
          }),
        [Symbol.asyncDispose]: async () => {
          await served?.[Symbol.asyncDispose]();
        },
      };
    },
  };
}

function isInterrupt({ type, payload }: EventEnvelope, sessionId: string): boolean {
  if (type !== "prompt.queued") return false;
  const { prompt } = payload as unknown as { readonly prompt: Prompt };
  return prompt.sessionId === sessionId && prompt.delivery === "interrupt";
}
