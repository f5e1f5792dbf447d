// One of the processes of the race: asks, when told to, whether it may edit the one file, and gives it back when it won.
import { Agent, request } from "node:http";

const [socketPath = "", apiSocketPath = "", cwd = "", session = ""] = process.argv.slice(2);
const agent = new Agent({ keepAlive: true });

function post(socket: string, path: string, body: object): Promise<string> {
  const text = JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const headers = {
      host: "localhost",
      "content-type": "application/json",
      "content-length": Buffer.byteLength(text),
    };
    const call = request({ agent, socketPath: socket, path, method: "POST", headers }, (response) => {
      let answer = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (answer += chunk));
      response.on("end", () => resolve(answer));
    });
    call.on("error", reject);
    call.end(text);
  });
}

async function mayEdit(): Promise<boolean> {
  const answer = await post(socketPath, "/hooks/claude", {
    session_id: session,
    cwd,
    hook_event_name: "PreToolUse",
    tool_name: "Edit",
    tool_use_id: "t",
    tool_input: { file_path: `${cwd}/one.txt`, old_string: "a", new_string: "b" },
  });
  return !answer.includes('"permissionDecision":"deny"');
}

async function release(): Promise<void> {
  const answer = await post(apiSocketPath, "/api/v1/coordination", {
    cwd,
    as: { agent: "claude", nativeSessionId: session },
    action: { type: "release", all: true },
  });
  if (!answer.includes('"released"')) throw new Error(answer);
}

process.on("message", (message: string) => {
  const work =
    message === "release"
      ? release().then(() => "released")
      : mayEdit().then((won) => (won ? "won" : "lost"));
  work.then(
    (said) => process.send?.(said),
    (error: unknown) => process.send?.(`failed: ${String(error)}`),
  );
});
process.send?.("ready");
