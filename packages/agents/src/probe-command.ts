import path from "node:path";
import type { ChildProcessHandle } from "@canopy/protocol";
import { isCanopyError } from "@canopy/protocol";
import type { AgentProbeSpec, ProbeResult } from "./agent-driver.ts";
import { TextTail } from "./byte-lines.ts";
import { withinMs } from "./within-ms.ts";

const PROBE_MS = 10_000;
const KEPT_CHARS = 2_000;

async function readText(stream: AsyncIterable<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  const tail = new TextTail(KEPT_CHARS);
  for await (const chunk of stream) tail.push(decoder.decode(chunk, { stream: true }));
  return tail.text;
}

async function collect(
  child: ChildProcessHandle,
  signal: AbortSignal,
): Promise<{ code: number | null; text: string }> {
  const stop = (): void => void child.stop(0);
  signal.addEventListener("abort", stop, { once: true });
  child.endInput();
  const output = Promise.all([readText(child.stdout), readText(child.stderr)]);
  const exit = await withinMs(child.exited, PROBE_MS);
  await child.stop(500);
  signal.removeEventListener("abort", stop);
  const [stdout, stderr] = await output;
  return { code: exit?.code ?? null, text: `${stdout}\n${stderr}`.trim() };
}

/** True for a name and for an absolute path; a relative path leads somewhere only inside a workspace. */
export function isFoundAnywhere(program: string): boolean {
  return !program.includes("/") || path.isAbsolute(program);
}

/** Runs a program's version command (never the agent itself) and says whether it is there. Does not throw for a missing one. */
export async function probeCommand(
  program: string,
  versionArguments: readonly string[],
  spec: AgentProbeSpec,
): Promise<ProbeResult> {
  try {
    const child = await spec.spawn([program, ...versionArguments], { env: spec.env });
    const { code, text } = await collect(child, spec.signal);
    if (code === 126 || code === 127) {
      return { installed: false, version: null, detail: `${program} is not on the PATH` };
    }
    const version = /\d+\.\d+(?:\.\d+)?(?:[-+][\w.]+)?/.exec(text)?.[0] ?? null;
    const firstLine = text.split("\n", 1)[0]?.slice(0, 200) ?? "";
    return { installed: true, version, detail: firstLine === "" ? `${program} is installed` : firstLine };
  } catch (error) {
    if (!isCanopyError(error) || error.code !== "agent.not-found") throw error;
    return { installed: false, version: null, detail: error.message };
  }
}
