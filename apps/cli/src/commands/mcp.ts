import { act } from "../connection/coordination-api.ts";
import type { RegisterCommands } from "../run-cli.ts";

/** The longest that a tool blocks, in ms. */
const BLOCK_MS = 60_000;

/** Serves an agent that a person started: every call says which session it is. */
async function serveAttached(): Promise<void> {
  const { serveAttachedTools } = await import("@canopy/daemon/attached-tools");
  const { session } = await act({ type: "whoami" }, {});
  // An agent that neither its environment nor its hooks tell of comes as a session of this server's own.
  const identity = session === null ? { as: `mcp-${process.pid}`, pid: process.ppid } : {};
  await serveAttachedTools(async (action) => await act(action, identity, { blockMs: BLOCK_MS }));
  if (session !== null) return;
  // Its agent has gone; a daemon that was stopped meanwhile has nothing to be told.
  const end = { type: "end", reason: "its agent has closed the tools" } as const;
  await act(end, identity, { mayStart: false }).catch(() => undefined);
}

/** `canopy mcp`. */
export const registerMcp: RegisterCommands = (program) => {
  program
    .command("mcp")
    .description(
      "Canopy's tools for the agent of this session, as an MCP server on standard input and output",
    )
    .addHelpText(
      "after",
      [
        "",
        "Agents that Canopy starts have these tools already; agents that they start in turn get the same ones. To agents",
        "that nobody started it offers sessions, claims, mail and waits (canopy setup puts it into their configuration).",
        "",
        'In an agent\'s own configuration: {"mcpServers": {"canopy": {"command": "canopy", "args": ["mcp"]}}}',
        "",
        "Example:",
        "  canopy mcp",
      ].join("\n"),
    )
    .action(async () => {
      const isStartedByCanopy = process.env["CANOPY_TOOL_TOKEN"] !== undefined;
      if (isStartedByCanopy) await import("@canopy/agents/tool-bridge");
      else await serveAttached();
    });
};
