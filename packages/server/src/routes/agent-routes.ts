import { answerSchemas } from "@canopy/protocol";
import type { Route } from "../http/route.ts";
import { readParam, route } from "../http/route.ts";

/** Endpoints of agents before there is any work. */
export const AGENT_ROUTES: readonly Route[] = [
  route({
    method: "get",
    path: "/projects/:project/agents/:agent/models",
    summary: "What an agent says of its models, as it is set up in a work tree; it is started for that",
    query: { path: "a folder of the work tree whose configuration counts; by default the project's" },
    response: answerSchemas.agentModels,
    handle: async (call) => {
      const path = call.query.get("path") ?? undefined;
      return await call.ports.agents.listModels(readParam(call, "project"), readParam(call, "agent"), path);
    },
  }),
];
