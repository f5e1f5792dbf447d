import type { ServerPorts } from "../server-ports.ts";

function readPid(text: string | null): number | null {
  const pid = Number(text);
  return text !== null && Number.isSafeInteger(pid) && pid > 0 ? pid : null;
}

/**
 * `POST /hooks/AGENT?event=NAME`: an agent's hook hands its payload in, and the answer's body is what it prints or, of
 * an http hook, its answer. `canopy-exit` is the exit code. Headers in: `canopy-pid`, `canopy-bypass: 1`.
 */
export async function answerHook(request: Request, agent: string, ports: ServerPorts): Promise<Response> {
  const { headers, url } = request;
  const { body, exitCode } = await ports.coordination.handleHook({
    agent,
    event: new URL(url).searchParams.get("event"),
    body: await request.text(),
    pid: readPid(headers.get("canopy-pid")),
    isBypassed: headers.get("canopy-bypass") === "1",
  });
  return new Response(body, {
    headers: {
      "content-type": agent === "git" ? "text/plain; charset=utf-8" : "application/json",
      "content-length": String(new TextEncoder().encode(body).length),
      "canopy-exit": String(exitCode),
    },
  });
}
