import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { RpcError } from "./agent-connection.ts";
import { sendUpdate } from "./stage.ts";
import type { Player, Stage } from "./stage.ts";

const MAX_OUTPUT_CHARS = 64 * 1024;

interface CommandResult {
  readonly exitCode: number | null;
  readonly output: string;
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // It ended by itself.
  }
}

async function runCommand(stage: Stage, command: readonly [string, ...string[]]): Promise<CommandResult> {
  const [program, ...args] = command;
  const child = spawn(program, args, { cwd: stage.cwd, stdio: ["ignore", "pipe", "pipe"], detached: true });
  const onAbort = (): void => killGroup(child);
  stage.signal.addEventListener("abort", onAbort, { once: true });
  let output = "";
  const collect = (chunk: Buffer): void => {
    if (output.length < MAX_OUTPUT_CHARS) output += chunk.toString("utf8");
  };
  child.stdout.on("data", collect);
  child.stderr.on("data", collect);
  const [exitCode] = await once(child, "close");
  stage.signal.removeEventListener("abort", onAbort);
  return {
    exitCode: typeof exitCode === "number" ? exitCode : null,
    output: output.slice(0, MAX_OUTPUT_CHARS),
  };
}

async function playCommand(
  stage: Stage,
  title: string,
  command: readonly [string, ...string[]],
): Promise<CommandResult> {
  const toolCallId = stage.nextToolId();
  const call = { toolCallId, kind: "execute", title, status: "in_progress", rawInput: { command: title } };
  await sendUpdate(stage, { sessionUpdate: "tool_call", ...call });
  const result = await runCommand(stage, command);
  const isDone = result.exitCode === 0;
  await sendUpdate(stage, {
    sessionUpdate: "tool_call_update",
    toolCallId,
    status: isDone ? "completed" : "failed",
    content: [{ type: "content", content: { type: "text", text: result.output } }],
    rawOutput: { exitCode: result.exitCode },
  });
  stage.signal.throwIfAborted();
  return result;
}

/** Runs a shell command as a tool call. A non-zero exit only fails the turn when another one was expected. */
export const playShell: Player<"shell"> = async (stage, { command, expectExitCode }) => {
  const { exitCode } = await playCommand(stage, command, ["sh", "-c", command]);
  if (expectExitCode !== undefined && exitCode !== expectExitCode) {
    throw new RpcError(
      -32_603,
      `${command}: expected exit code ${expectExitCode}, got ${exitCode ?? "a signal"}`,
    );
  }
  return null;
};

/** Commits everything, under a name of its own so that no configuration is needed. */
export const playCommit: Player<"commit"> = async (stage, { message }) => {
  const identity = ["-c", "user.name=Scripted Agent", "-c", "user.email=scripted-agent@canopy.invalid"];
  const added = await playCommand(stage, "git add --all", ["git", "add", "--all"]);
  const options = [...identity, "-c", "commit.gpgsign=false"];
  const title = `git commit -m ${JSON.stringify(message)}`;
  const committed = await playCommand(stage, title, ["git", ...options, "commit", "--quiet", "-m", message]);
  if (added.exitCode !== 0 || committed.exitCode !== 0) {
    throw new RpcError(-32_603, `git commit failed: ${added.output}${committed.output}`);
  }
  return null;
};

/** Leaves a process behind in a session of its own, as real agents' tools do when the agent is killed. */
export const playSpawnOrphan: Player<"spawnOrphan"> = async (stage, { seconds }) => {
  const child = spawn("sleep", [String(seconds)], { cwd: stage.cwd, stdio: "ignore", detached: true });
  await once(child, "spawn");
  child.unref();
  const toolCallId = stage.nextToolId();
  const output = String(child.pid ?? "");
  const content = [{ type: "content", content: { type: "text", text: output } }];
  const call = { toolCallId, kind: "execute", title: "spawn an orphan", status: "completed", content };
  await sendUpdate(stage, { sessionUpdate: "tool_call", ...call });
  return null;
};
