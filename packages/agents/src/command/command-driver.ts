import { CanopyError } from "@canopy/protocol";
import type {
  AgentDescription,
  AgentDriver,
  AgentProbeSpec,
  AgentSession,
  AgentStartSpec,
  ProbeResult,
} from "../agent-driver.ts";
import { isFoundAnywhere, probeCommand } from "../probe-command.ts";
import type { OutputFormat } from "./stream-parser.ts";
import { COMMAND_CAPABILITIES, CommandSession } from "./command-session.ts";

/** Which shell command to run. `stopMs` is how long it may take to react to SIGTERM, default 2,000. */
export interface CommandDriverOptions {
  readonly name: string;
  readonly command: string;
  readonly stopMs?: number;
  /** What it prints; plain text when left out. */
  readonly output?: OutputFormat;
}

const DEFAULT_STOP_MS = 2_000;
const PLAIN_WORD = /^[\w./+@-]+$/;

/** The program that a shell command begins with, null when it begins with anything else. */
function firstProgram(command: string): string | null {
  const word = command.trim().split(/[\s;|&]/, 1)[0] ?? "";
  return PLAIN_WORD.test(word) ? word : null;
}

async function probe(command: string, spec: AgentProbeSpec): Promise<ProbeResult> {
  const program = firstProgram(command);
  if (program === null) {
    return { installed: true, version: null, detail: "a shell command; what it calls is not checked" };
  }
  const found = await probeCommand("sh", ["-c", 'command -v -- "$1" || exit 127', "sh", program], spec);
  if (!found.installed) return { ...found, detail: `${program} is not on the PATH` };
  return { installed: true, version: null, detail: found.detail };
}

/**
 * A driver for any shell command. The prompt is its standard input, its output lines are the transcript, error output
 * becomes notices. Exit code 0 is done, 75 rate limited, 126 and 127 a command that does not exist, else a crash.
 */
export function createCommandDriver(options: CommandDriverOptions): AgentDriver {
  const { name, command } = options;
  return {
    name,
    describe(): AgentDescription {
      const program = firstProgram(command);
      return {
        kind: "command",
        command,
        program: program !== null && isFoundAnywhere(program) ? program : null,
        capabilities: COMMAND_CAPABILITIES,
        readsFiles: [],
        memory: [],
      };
    },
    probe(spec: AgentProbeSpec): Promise<ProbeResult> {
      return probe(command, spec);
    },
    async start(spec: AgentStartSpec): Promise<AgentSession> {
      if (spec.signal.aborted) throw new CanopyError("cancelled", `the start of ${name} was cancelled`);
      if (spec.resume !== null) {
        throw new CanopyError("agent.failed", `${name} is a command and cannot resume sessions`, {
          data: { kind: "resume-unsupported" },
        });
      }
      const session = new CommandSession(
        { label: name, command, stopMs: options.stopMs ?? DEFAULT_STOP_MS, output: options.output ?? "text" },
        spec,
      );
      spec.signal.addEventListener("abort", () => void session.close(), { once: true });
      return Promise.resolve(session);
    },
  };
}
