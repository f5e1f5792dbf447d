import type { RegisterCommands } from "../run-cli.ts";

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
        "Agents that Canopy starts have these tools already. This is for agents that they start in turn: it works where",
        "CANOPY_TOOL_SOCKET and CANOPY_TOOL_TOKEN are set.",
        "",
        'In an agent\'s own configuration: {"mcpServers": {"canopy": {"command": "canopy", "args": ["mcp"]}}}',
        "",
        "Example:",
        "  canopy mcp",
      ].join("\n"),
    )
    .action(async () => {
      await import("@canopy/agents/tool-bridge");
    });
};
