import { execFile } from "node:child_process";
import { CanopyError } from "@canopy/protocol";
import { parseBdError } from "./parse-bd-output.ts";

/** How to call the tracker's program. */
export interface BdOptions {
  /** The repository. */
  readonly cwd: string;
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Default `bd`, found on the PATH of `env`. */
  readonly program?: string;
  /** Limit of one call, default 60,000. */
  readonly callMs?: number;
}

/** How a call ended. */
export interface BdResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

const DEFAULT_CALL_MS = 60_000;
const MAX_OUTPUT_BYTES = 256 * 1024 * 1024;
const TAIL_CHARS = 2_000;

function describeCall(program: string, args: readonly string[]): string {
  const shown = args.map((arg) => (arg.length > 60 ? `${arg.slice(0, 57)}...` : arg));
  return [program, ...shown].join(" ");
}

/** The error of a call that ended with another exit code than 0. */
export function bdFailure(program: string, args: readonly string[], result: BdResult): CanopyError {
  const { message, code } = parseBdError(result.stderr, result.stdout);
  const tail = message.slice(-TAIL_CHARS);
  const call = describeCall(program, args);
  return new CanopyError("task-source.failed", `${call} failed (exit code ${result.exitCode}): ${tail}`, {
    retry: true,
    data: { exitCode: result.exitCode, code },
  });
}

/** True when the program does not know a flag or command, which is how its age shows. No release has a code for it. */
export function isUnknownFlag(result: BdResult): boolean {
  const { message } = parseBdError(result.stderr, result.stdout);
  return (
    result.exitCode !== 0 &&
    /unknown (?:shorthand )?(?:flag|option|command|subcommand)|unexpected argument|unrecognized|no such option/i.test(
      message,
    )
  );
}

function systemFailure(error: Error, call: string, program: string, signal: AbortSignal): CanopyError {
  if (signal.aborted) return new CanopyError("cancelled", `${call} was cancelled`, { cause: error });
  const code = "code" in error ? error.code : null;
  if (code === "ENOENT" || code === "EACCES") {
    return new CanopyError("task-source.failed", `${program} could not be run: ${code}`, {
      hint: `Install ${program}, or put it on the PATH.`,
      cause: error,
    });
  }
  const isKilled = "killed" in error && error.killed === true;
  const reason = isKilled
    ? "took too long and was stopped"
    : `could not be run: ${error.message.slice(-TAIL_CHARS)}`;
  return new CanopyError("task-source.failed", `${call} ${reason}`, { retry: isKilled, cause: error });
}

/** Runs the program once. Resolves with any exit code; rejects when it could not run, took too long or was aborted. */
export function runBd(
  options: BdOptions,
  args: readonly string[],
  extraEnv: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<BdResult> {
  const { cwd, program = "bd", callMs = DEFAULT_CALL_MS } = options;
  const env = { ...options.env, ...extraEnv };
  return new Promise((resolve, reject) => {
    const settings = {
      cwd,
      env,
      signal,
      timeout: callMs,
      killSignal: "SIGKILL",
      maxBuffer: MAX_OUTPUT_BYTES,
    } as const;
    const child = execFile(program, [...args], settings, (error, stdout, stderr) => {
      if (error === null) resolve({ exitCode: 0, stdout, stderr });
      else if (typeof error.code === "number") resolve({ exitCode: error.code, stdout, stderr });
      else reject(systemFailure(error, describeCall(program, args), program, signal));
    });
    child.stdin?.on("error", () => null);
    child.stdin?.end();
  });
}
