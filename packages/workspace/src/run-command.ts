import { spawn } from "node:child_process";
import { CanopyError } from "@canopy/protocol";

/** A command to run to its end. `env` is its whole environment. */
export interface CommandCall {
  readonly command: readonly [string, ...string[]];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

const MAX_OUTPUT_CHARS = 64 * 1024;

/** Runs a command and answers what it printed. Throws `workspace.failed` (its output in the data) or `cancelled`. */
export function runCommand(call: CommandCall): Promise<string> {
  const [program, ...args] = call.command;
  return new Promise((resolve, reject) => {
    if (call.signal?.aborted === true) {
      reject(new CanopyError("cancelled", `${program} was not started: cancelled`));
      return;
    }
    const child = spawn(program, args, { cwd: call.cwd, env: call.env, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    const collect = (chunk: Buffer): void => {
      if (output.length < MAX_OUTPUT_CHARS) output += chunk.toString("utf8");
    };
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    const abort = (): void => void child.kill("SIGKILL");
    call.signal?.addEventListener("abort", abort, { once: true });
    child.once("error", (error: NodeJS.ErrnoException) => {
      reject(
        new CanopyError("workspace.failed", `could not start ${program}: ${error.code ?? ""}`, {
          cause: error,
        }),
      );
    });
    child.once("close", (code, signal) => {
      call.signal?.removeEventListener("abort", abort);
      if (call.signal?.aborted === true) {
        reject(new CanopyError("cancelled", `${program} was stopped: cancelled`));
        return;
      }
      if (code === 0) {
        resolve(output);
        return;
      }
      const how = code === null ? `was killed by ${String(signal)}` : `ended with ${code}`;
      const data = { command: [...call.command], exitCode: code, output };
      reject(new CanopyError("workspace.failed", `${program} ${how}`, { data }));
    });
  });
}
