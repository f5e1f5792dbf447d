import { open } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { getRequestListener } from "@hono/node-server";
import type { AgentToolServer } from "@canopy/server/mcp";

const NAME = "tools";

/** A socket file in a session's private folder that answers nothing but `/mcp`. */
export interface ToolListener extends AsyncDisposable {
  readonly path: string;
}

/** Serves the agents' tools on a socket file in a folder. The daemon's own socket and token stay out of sight. */
export async function serveTools(
  tools: Pick<AgentToolServer, "fetch">,
  folder: string,
): Promise<ToolListener> {
  const server = createServer(
    getRequestListener((request) =>
      new URL(request.url).pathname === "/mcp" ? tools.fetch(request) : new Response(null, { status: 404 }),
    ),
  );
  // A path to a socket has at most 107 bytes; this one is short however deep the folder is.
  const handle = await open(folder, "r");
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(`/proc/self/fd/${handle.fd}/${NAME}`, resolve);
    });
  } catch (error) {
    await handle.close();
    throw error;
  }
  return {
    path: join(folder, NAME),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await handle.close();
    },
  };
}
