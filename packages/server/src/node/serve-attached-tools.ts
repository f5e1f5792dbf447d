import type { CoordinationRequestInput, Json } from "@canopy/protocol";
import { CANOPY_VERSION } from "@canopy/protocol";
import { McpServer } from "@modelcontextprotocol/server";
import { StdioServerTransport } from "@modelcontextprotocol/server/stdio";
import { describeToolError, textResult } from "../mcp/agent-tool-server.ts";
import { COORDINATION_TOOLS } from "../mcp/coordination-tools.ts";

const INSTRUCTIONS =
  "Tools of Canopy: other agents and people work in this repository at the same time. They show who, keep files from being changed by two at once, and carry messages.";

/** Carries out one act of coordination for whoever started this program. */
export type AttachedAct = (
  action: CoordinationRequestInput["action"],
) => Promise<Readonly<Record<string, Json>>>;

/**
 * Serves sessions, claims, mail and waits to an agent that nobody started, as an MCP server on standard input and
 * output. What is new is told after every answer: for agents without hooks there is no other place. Resolves when the
 * agent closes it.
 */
export async function serveAttachedTools(act: AttachedAct): Promise<void> {
  const server = new McpServer({ name: "canopy", version: CANOPY_VERSION }, { instructions: INSTRUCTIONS });
  for (const tool of COORDINATION_TOOLS) {
    const { name, title, description, input, isReadOnly } = tool;
    server.registerTool(
      name,
      { title, description, inputSchema: input, annotations: { readOnlyHint: isReadOnly } },
      async (value) => {
        try {
          const text = await tool.handle({ act }, value);
          const news = (await act({ type: "digest" }))["text"];
          return textResult(typeof news === "string" && news !== "" ? `${text}\n\n${news}` : text);
        } catch (error) {
          return textResult(describeToolError(error), true);
        }
      },
    );
  }
  const transport = new StdioServerTransport();
  const closed = new Promise<void>((resolve) => {
    transport.onclose = resolve;
    process.stdin.once("end", resolve);
  });
  await server.connect(transport);
  await closed;
}
