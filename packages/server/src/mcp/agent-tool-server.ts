import type { CoordinationRequestInput, Json } from "@canopy/protocol";
import { CANOPY_VERSION, isCanopyError } from "@canopy/protocol";
import type { CallToolResult, McpServer } from "@modelcontextprotocol/server";
import type { RoomHost } from "@canopy/core";
import type { ServerLog } from "../server-ports.ts";
import { toWireError } from "../http/error-response.ts";
import type { AgentTool, ToolCallContext, ToolGrant } from "./agent-tool.ts";
import { AGENT_TOOLS } from "./agent-tools.ts";

/** Largest message from an agent, in bytes. */
const MAX_MESSAGE_BYTES = 4_194_304;

/** What the agents' tool server needs of the program it is part of. */
export interface AgentToolPorts {
  readonly host: RoomHost;
  readonly log: ServerLog;
  newToken(): string;
  newKey(): string;
  now(): number;
  /** One act of coordination in a session's name. Throws what the room refuses. */
  coordinate(grant: ToolGrant, action: CoordinationRequestInput["action"]): Promise<Json>;
}

/** Leave for one session to call tools. Taken back at its end; nothing answers to the token afterwards. */
export interface ToolAccess extends Disposable {
  readonly token: string;
}

/** The tools of Canopy for agents, over MCP (streamable HTTP). A token stands for one session and nothing else. */
export interface AgentToolServer {
  grant(grant: ToolGrant): ToolAccess;
  /** Answers one request to `/mcp`. Never throws. */
  fetch(request: Request): Promise<Response>;
}

const INSTRUCTIONS =
  "Tools of Canopy, in which several agents and people work on this project at the same time. They tell what others do and know, and take your finished work.";

/** What a tool says, as MCP has it. */
export function textResult(text: string, isError = false): CallToolResult {
  return { content: [{ type: "text", text }], ...(isError ? { isError } : {}) };
}

/** An answer as an object. */
export function toRecord(value: Json): Readonly<Record<string, Json>> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, Json>>)
    : {};
}

/** What went wrong with a tool, for the agent. */
export function describeToolError(error: unknown): string {
  const { body } = toWireError(error);
  const { message, hint } = body.error;
  return hint === undefined ? message : `${message} (${hint})`;
}

class ToolServer implements AgentToolServer {
  readonly #ports: AgentToolPorts;
  readonly #grants = new Map<string, ToolGrant>();
  readonly #fetch: (request: Request, grant: ToolGrant) => Promise<Response>;

  constructor(ports: AgentToolPorts) {
    this.#ports = ports;
    this.#fetch = async (request, grant) => {
      // Loaded with the first request: it takes 30 MB, and a daemon may never run an agent.
      const mcp = await import("@modelcontextprotocol/server");
      const handler = mcp.createMcpHandler(() => this.#createServer(mcp.McpServer, grant), {
        maxRequestBodySize: MAX_MESSAGE_BYTES,
        onerror: (error) => ports.log.info({ error: error.message }, "an agent's tool request was odd"),
      });
      return await handler.fetch(request);
    };
  }

  grant(grant: ToolGrant): ToolAccess {
    const token = this.#ports.newToken();
    this.#grants.set(token, grant);
    return { token, [Symbol.dispose]: () => void this.#grants.delete(token) };
  }

  async fetch(request: Request): Promise<Response> {
    const token = /^Bearer (\S+)$/i.exec(request.headers.get("authorization") ?? "")?.[1];
    // A token is 256 random bits: looking it up in a table tells nobody anything about another.
    const grant = token === undefined ? undefined : this.#grants.get(token);
    if (grant === undefined) {
      const message = "a session's token is needed";
      return Response.json({ error: { code: "request.unauthorized", message } }, { status: 401 });
    }
    try {
      return await this.#fetch(request, grant);
    } catch (error) {
      this.#ports.log.error({ error }, "an agent's tool request failed");
      return Response.json(toWireError(error).body, { status: 500 });
    }
  }

  #createServer(Server: typeof McpServer, grant: ToolGrant): McpServer {
    const server = new Server({ name: "canopy", version: CANOPY_VERSION }, { instructions: INSTRUCTIONS });
    for (const tool of AGENT_TOOLS) {
      const { name, title, description, input, isReadOnly } = tool;
      server.registerTool(
        name,
        { title, description, inputSchema: input, annotations: { readOnlyHint: isReadOnly } },
        (value) => this.#call(tool, grant, value),
      );
    }
    return server;
  }

  async #call(tool: AgentTool, grant: ToolGrant, input: unknown): Promise<CallToolResult> {
    const { host, log } = this.#ports;
    try {
      const call: ToolCallContext = {
        grant,
        host,
        key: `tool:${this.#ports.newKey()}`,
        nowMs: this.#ports.now(),
        act: async (action) => toRecord(await this.#ports.coordinate(grant, action)),
      };
      const text = await tool.handle(call, input);
      const news = toRecord(await this.#ports.coordinate(grant, { type: "digest" }))["text"];
      return textResult(typeof news === "string" && news !== "" ? `${text}\n\n${news}` : text);
    } catch (error) {
      if (!isCanopyError(error)) log.error({ error, tool: tool.name }, "an agent's tool failed");
      return textResult(describeToolError(error), true);
    }
  }
}

/** Makes the tool server of a set of rooms. It opens no socket: requests to `/mcp` are handed in. */
export function createAgentToolServer(ports: AgentToolPorts): AgentToolServer {
  return new ToolServer(ports);
}
