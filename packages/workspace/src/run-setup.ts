import { CanopyError } from "@canopy/protocol";
import type { WorkspaceView } from "./workspace-view.ts";

/** A setup command and where it runs. */
export interface SetupRun {
  readonly command: string;
  readonly view: WorkspaceView;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly signal: AbortSignal | undefined;
}

const MAX_OUTPUT_CHARS = 64 * 1024;

async function collect(stream: AsyncIterable<Uint8Array>, into: { text: string }): Promise<void> {
  for await (const chunk of stream) {
    into.text = (into.text + Buffer.from(chunk).toString("utf8")).slice(-MAX_OUTPUT_CHARS);
  }
}

/**
 * Runs a setup command in a workspace to its end. Whatever it left running is killed. Throws `workspace.failed` with the end
 * of its output when it fails, and `cancelled` when the signal aborts.
 */
export async function runSetup({ command, view, cwd, env, signal }: SetupRun): Promise<void> {
  signal?.throwIfAborted();
  const handle = await view.start(["/bin/sh", "-c", command], cwd, env);
  handle.endInput();
  const output = { text: "" };
  const reading = Promise.all([collect(handle.stdout, output), collect(handle.stderr, output)]);
  const abort = (): void => void handle.stop(0);
  signal?.addEventListener("abort", abort, { once: true });
  const exit = await handle.exited;
  signal?.removeEventListener("abort", abort);
  await handle.stop(0);
  await reading;
  if (signal?.aborted === true)
    throw new CanopyError("cancelled", "the setup command was stopped: cancelled");
  if (exit.code === 0) return;
  const how = exit.code === null ? `was killed by ${String(exit.signal)}` : `ended with ${exit.code}`;
  throw new CanopyError("workspace.failed", `the setup command ${how}: ${command.slice(0, 200)}`, {
    hint: "Run it by hand in a fresh checkout to see why.",
    data: { command, exitCode: exit.code, output: output.text },
  });
}
