import { join } from "node:path";
import type { AgentMcpServer } from "../agent-driver.ts";

/** Names of the variables that tell the bridge where to go. */
export const TOOL_SOCKET_VARIABLE = "CANOPY_TOOL_SOCKET";
/** See TOOL_SOCKET_VARIABLE. */
export const TOOL_TOKEN_VARIABLE = "CANOPY_TOOL_TOKEN";

/** The program that carries MCP messages from standard input to a socket and back. It imports nothing but Node. */
export const TOOL_BRIDGE_PROGRAM: string = join(import.meta.dirname, "main.ts");

/** Where Canopy's tools for one session are. */
export interface ToolSocket {
  /** As processes of the session see it. */
  readonly path: string;
  readonly token: string;
}

/** The tool server of a session as agents start it. Every agent speaks MCP over standard input; not every one over HTTP. */
export function createToolBridge(socket: ToolSocket): AgentMcpServer {
  return {
    type: "stdio",
    name: "canopy",
    command: process.execPath,
    args: ["--no-warnings", TOOL_BRIDGE_PROGRAM],
    env: { [TOOL_SOCKET_VARIABLE]: socket.path, [TOOL_TOKEN_VARIABLE]: socket.token },
  };
}
