import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage } from "node:http";

/** One call of the recorder's only tool, with the token that came with it. */
export interface RecordedCall {
  readonly authorization: string;
  readonly text: string;
}

/** An MCP server over HTTP with one tool, `note {text}`, that writes down who called it with what. */
export interface McpRecorder {
  readonly url: string;
  readonly calls: readonly RecordedCall[];
  close(): Promise<void>;
}

interface RpcRequest {
  readonly id?: number | string;
  readonly method: string;
  readonly params?: Readonly<Record<string, unknown>>;
}

async function readRequest(incoming: IncomingMessage): Promise<RpcRequest> {
  let text = "";
  for await (const chunk of incoming.setEncoding("utf8")) text += String(chunk);
  return JSON.parse(text) as RpcRequest;
}

const TOOL = {
  name: "note",
  description: "Writes a note down.",
  inputSchema: { type: "object", properties: { text: { type: "string" } }, required: ["text"] },
};

function answer(request: RpcRequest, calls: RecordedCall[], authorization: string): object | null {
  if (request.method === "initialize") {
    const protocolVersion = request.params?.["protocolVersion"] ?? "2025-06-18";
    return { protocolVersion, capabilities: { tools: {} }, serverInfo: { name: "recorder", version: "1" } };
  }
  if (request.method === "tools/list") return { tools: [TOOL] };
  if (request.method === "ping") return {};
  if (request.method !== "tools/call") return null;
  const args: unknown = request.params?.["arguments"];
  const text: unknown = typeof args === "object" && args !== null ? Reflect.get(args, "text") : null;
  calls.push({ authorization, text: String(text) });
  return { content: [{ type: "text", text: `noted: ${String(text)}` }] };
}

/** Starts the recorder on a loopback port. */
export async function startMcpRecorder(): Promise<McpRecorder> {
  const calls: RecordedCall[] = [];
  const server = createServer((incoming, outgoing) => {
    if (incoming.method !== "POST") {
      outgoing.writeHead(405).end();
      return;
    }
    const reply = async (): Promise<void> => {
      const request = await readRequest(incoming);
      if (request.id === undefined) {
        outgoing.writeHead(202).end();
        return;
      }
      const result = answer(request, calls, incoming.headers.authorization ?? "");
      const error = { code: -32_601, message: `no method ${request.method}` };
      outgoing.writeHead(200, { "content-type": "application/json" });
      outgoing.end(
        JSON.stringify({ jsonrpc: "2.0", id: request.id, ...(result === null ? { error } : { result }) }),
      );
    };
    reply().catch(() => outgoing.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    calls,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
