import { createToolBridge } from "@canopy/agents";
import {
  GENERAL_FEATURE_ID,
  buildSystemText,
  featureRoomAddress,
  selectContext,
  selectPast,
} from "@canopy/core";
import type { ProjectId } from "@canopy/protocol";
import type { HostedSession, SessionHost, SessionOpening } from "@canopy/runner";
import type { AgentToolServer } from "@canopy/server/mcp";
import type { NodeRoomHost } from "../rooms/open-room-host.ts";
import { serveTools } from "./serve-tools.ts";

/** What a session host needs. */
export interface SessionHostOptions {
  readonly host: NodeRoomHost;
  readonly projectId: ProjectId;
  readonly tools: AgentToolServer;
}

/** What the rooms of one project know for the agents that work in it, in this process. */
export function createSessionHost({ host, projectId, tools }: SessionHostOptions): SessionHost {
  return {
    open: async ({ job, socketFolder, workspace }: SessionOpening): Promise<HostedSession> => {
      const { sessionId, taskId } = job;
      const feature = host.room(featureRoomAddress(projectId, GENERAL_FEATURE_ID));
      const past = feature?.read((sql) => selectPast(sql, sessionId)) ?? null;
      const context = feature?.read((sql) => selectContext(sql)) ?? [];
      await using stack = new AsyncDisposableStack();
      const access = stack.use(tools.grant({ projectId, sessionId, taskId, workspace }));
      const listener = stack.use(await serveTools(tools, socketFolder));
      const resources = stack.move();
      return {
        systemText: buildSystemText({ context }),
        mcpServers: [createToolBridge({ path: listener.path, token: access.token })],
        past: past === null ? null : { nativeSessionId: past.nativeSessionId, transcript: past.lines },
        [Symbol.asyncDispose]: () => resources.disposeAsync(),
      };
    },
  };
}
