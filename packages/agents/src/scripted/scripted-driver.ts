import { fileURLToPath } from "node:url";
import { createAcpDriver } from "../acp/acp-driver.ts";
import type { AcpDriverOptions } from "../acp/acp-driver.ts";
import type { AgentDriver } from "../agent-driver.ts";

/** Where the scripted agent's program lies. It runs with the Node that runs this. */
export const SCRIPTED_AGENT_FILE: string = fileURLToPath(new URL("main.ts", import.meta.url));

/** How to run the scripted agent. `scriptFile` is absolute; null lets the prompt decide. */
export interface ScriptedDriverOptions extends Pick<AcpDriverOptions, "graces" | "startMs"> {
  readonly name?: string;
  readonly scriptFile: string | null;
}

/** The command line that starts the scripted agent. */
export function createScriptedCommand(scriptFile: string | null): readonly [string, ...string[]] {
  const script = scriptFile === null ? [] : ["--script", scriptFile];
  return [process.execPath, SCRIPTED_AGENT_FILE, ...script];
}

/** It plays steps and holds no conversation, so that there is nothing to fork; images it finds as files. */
const SCRIPTED_MEASURED = { fork: false, images: "emulated", mcpHttp: "emulated" } as const;

/** A driver for the deterministic agent that ships with Canopy: demos, tests and benchmarks without a key. */
export function createScriptedDriver(options: ScriptedDriverOptions): AgentDriver {
  const { name = "scripted", scriptFile, ...rest } = options;
  // Compiled code that this process keeps halves the start of the agent's.
  const cacheFolder = process.env["NODE_COMPILE_CACHE"];
  const ownEnv: Record<string, string> = cacheFolder === undefined ? {} : { NODE_COMPILE_CACHE: cacheFolder };
  return createAcpDriver({
    ...rest,
    name,
    kind: "scripted",
    measured: SCRIPTED_MEASURED,
    command: createScriptedCommand(scriptFile),
    ownEnv,
  });
}
