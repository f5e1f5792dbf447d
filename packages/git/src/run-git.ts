import { spawn } from "node:child_process";
import { CanopyError } from "@canopy/protocol";

/** Whose configuration a git call reads: nobody's (the default), or that of the person who runs Canopy. */
export type GitConfiguration = "none" | "person";

/** One git call. `args` comes after the safety options. Paths are absolute. */
export interface GitCall {
  readonly args: readonly string[];
  readonly cwd: string;
  readonly gitDir?: string;
  readonly workTree?: string;
  readonly indexFile?: string;
  readonly objectDirectory?: string;
  readonly input?: string | Uint8Array;
  readonly configuration?: GitConfiguration;
  /** Exit codes that are answers, not failures. Default: only 0. */
  readonly acceptExitCodes?: readonly number[];
  /** Put before `git`, to run it inside a namespace. */
  readonly enter?: readonly string[];
  readonly signal?: AbortSignal | undefined;
}

/** What a git call printed. */
export interface GitOutput {
  readonly exitCode: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** Options that come first in every git call: no hook, monitor, background job or replacement object ever takes part. */
export const SAFE_GIT_OPTIONS: readonly string[] = [
  "--no-replace-objects",
  "-c",
  "core.hooksPath=/dev/null",
  "-c",
  "core.fsmonitor=false",
  "-c",
  "gc.auto=0",
  "-c",
  "maintenance.auto=false",
  "-c",
  "core.logAllRefUpdates=false",
  "-c",
  "core.quotePath=false",
];

const PERSON_VARIABLES = ["HOME", "XDG_CONFIG_HOME", "USER", "LOGNAME", "SSH_AUTH_SOCK"] as const;

/**
 * The environment of a git call, built from nothing: PATH, a fixed locale, no prompts, no optional locks. With
 * `none` no system or user configuration is read; with `person` the user's own is.
 */
export function createGitEnvironment(configuration: GitConfiguration = "none"): Record<string, string> {
  const environment: Record<string, string> = {
    PATH: process.env["PATH"] ?? "/usr/local/bin:/usr/bin:/bin",
    LANG: "C.UTF-8",
    LC_ALL: "C.UTF-8",
    GIT_TERMINAL_PROMPT: "0",
    GIT_OPTIONAL_LOCKS: "0",
    GIT_NO_REPLACE_OBJECTS: "1",
    GIT_PAGER: "cat",
    GIT_EDITOR: "false",
  };
  if (configuration === "none") {
    return {
      ...environment,
      HOME: "/nonexistent",
      GIT_CONFIG_NOSYSTEM: "1",
      GIT_CONFIG_GLOBAL: "/dev/null",
      GIT_CONFIG_SYSTEM: "/dev/null",
      GIT_ATTR_NOSYSTEM: "1",
      GIT_COMMITTER_NAME: "Canopy",
      GIT_COMMITTER_EMAIL: "canopy@localhost",
    };
  }
  for (const name of PERSON_VARIABLES) {
    const value = process.env[name];
    if (value !== undefined) environment[name] = value;
  }
  return environment;
}

function environmentOf(call: GitCall): Record<string, string> {
  const environment = createGitEnvironment(call.configuration);
  if (call.gitDir !== undefined) environment["GIT_DIR"] = call.gitDir;
  if (call.workTree !== undefined) environment["GIT_WORK_TREE"] = call.workTree;
  if (call.indexFile !== undefined) environment["GIT_INDEX_FILE"] = call.indexFile;
  if (call.objectDirectory !== undefined) environment["GIT_OBJECT_DIRECTORY"] = call.objectDirectory;
  return environment;
}

/** The whole argument vector of a call, the `enter` prefix included. */
export function gitCommand(call: Pick<GitCall, "args" | "enter">): readonly [string, ...string[]] {
  const git = ["git", ...SAFE_GIT_OPTIONS, ...call.args];
  const [first = "git", ...rest] = [...(call.enter ?? []), ...git];
  return [first, ...rest];
}

/** What `git` and `enter` failures look like from outside: not there at all, or anything else. */
export function spawnFailure(
  error: NodeJS.ErrnoException,
  command: readonly string[],
  cwd: string,
): CanopyError {
  if (error.code === "ENOENT" && command[0] === "git") {
    return new CanopyError(
      "git.missing",
      "git was not found on PATH, or the folder to run it in does not exist",
      {
        hint: "Install git 2.38 or later and try again.",
        data: { cwd },
        cause: error,
      },
    );
  }
  return new CanopyError(
    "git.failed",
    `could not start ${command[0] ?? "git"} in ${cwd}: ${error.code ?? "?"}`,
    {
      data: { command: [...command], cwd },
      cause: error,
    },
  );
}

function failureOf(
  call: GitCall,
  exit: { code: number | null; signal: string | null },
  stderr: string,
): CanopyError {
  const how = exit.code === null ? `was killed by ${exit.signal ?? "a signal"}` : `ended with ${exit.code}`;
  const firstLine = stderr.trim().split("\n")[0] ?? "";
  return new CanopyError("git.failed", `git ${call.args[0] ?? ""} ${how} in ${call.cwd}: ${firstLine}`, {
    data: {
      args: call.args.slice(0, 50).map((value) => value.slice(0, 200)),
      cwd: call.cwd,
      exitCode: exit.code,
      signal: exit.signal,
      stderr: stderr.slice(0, 10_000),
    },
  });
}

/**
 * Runs git once and collects what it prints. Throws `git.missing` when there is no git, `cancelled` when `signal`
 * aborts, and `git.failed` (stderr in its data) for an exit code that is not accepted.
 */
export function runGit(call: GitCall): Promise<GitOutput> {
  const [program, ...args] = gitCommand(call);
  const accepted = call.acceptExitCodes ?? [0];
  return new Promise((resolve, reject) => {
    if (call.signal?.aborted === true) {
      reject(new CanopyError("cancelled", "git was not started: cancelled", { cause: call.signal.reason }));
      return;
    }
    const child = spawn(program, args, {
      cwd: call.cwd,
      env: environmentOf(call),
      stdio: [call.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    const abort = (): void => void child.kill("SIGKILL");
    call.signal?.addEventListener("abort", abort, { once: true });
    child.stdout?.on("data", (chunk: Buffer) => stdout.push(chunk));
    child.stderr?.on("data", (chunk: Buffer) => stderr.push(chunk));
    child.on("error", (error) => {
      call.signal?.removeEventListener("abort", abort);
      reject(spawnFailure(error, [program, ...args], call.cwd));
    });
    child.on("close", (code, signal) => {
      call.signal?.removeEventListener("abort", abort);
      if (call.signal?.aborted === true) {
        reject(new CanopyError("cancelled", "git was stopped: cancelled", { cause: call.signal.reason }));
        return;
      }
      const messages = Buffer.concat(stderr).toString("utf8");
      if (code === null || !accepted.includes(code)) {
        reject(failureOf(call, { code, signal }, messages));
        return;
      }
      resolve({ exitCode: code, stdout: Buffer.concat(stdout), stderr: messages });
    });
    if (child.stdin !== null) {
      // A git that ends early closes its input; its exit code tells the story.
      child.stdin.on("error", () => undefined);
      child.stdin.end(call.input);
    }
  });
}

/** Splits NUL-terminated output into strings of the given encoding; the last empty piece is dropped. */
export function splitNul(output: Buffer, encoding: "utf8" | "latin1" = "utf8"): string[] {
  const parts = output.toString(encoding).split("\0");
  if (parts.at(-1) === "") parts.pop();
  return parts;
}
