import { join } from "node:path";
import type { AgentMcpServer } from "../agent-driver.ts";

/** Names of the variables that tell the bridge where to go. */
export const TOOL_SOCKET_VARIABLE = "CANOPY_TOOL_SOCKET";
/** See TOOL_SOCKET_VARIABLE. */
export const TOOL_TOKEN_VARIABLE = "CANOPY_TOOL_TOKEN";

/** The program that carries MCP messages from standard input to a socket and back. It imports nothing but Node. */
export const TOOL_BRIDGE_PROGRAM: string = join(import.meta.dirname, "main.ts");
/** The same in perl, for it starts ten times as fast; it falls back to the other where there is no perl. */
const QUICK_BRIDGE = join(import.meta.dirname, "tool-bridge.sh");

/** Where Canopy's tools for one session are. */
export interface ToolSocket {
  /** As processes of the session see it. */
  readonly path: string;
  readonly token: string;
}

/** The tool server of a session as agents start it. Every agent speaks MCP over standard input; not every one over HTTP. */
export function createToolBridge(socket: ToolSocket): AgentMcpServer {
  // The address of a socket, as the quick one writes it down, is Linux's.
  const [command, ...args]: readonly [string, ...string[]] =
    process.platform === "linux"
      ? ["/bin/sh", QUICK_BRIDGE, process.execPath, TOOL_BRIDGE_PROGRAM]
      : [process.execPath, "--no-warnings", TOOL_BRIDGE_PROGRAM];
  return {
    type: "stdio",
    name: "canopy",
    command,
    args,
    env: { [TOOL_SOCKET_VARIABLE]: socket.path, [TOOL_TOKEN_VARIABLE]: socket.token },
  };
}
