import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readDaemonInfo } from "../connection/daemon-files.ts";
import { findProcessesOf, isProcessAlive, listLeftovers } from "./find-leftovers.ts";
import type { Leftovers } from "./find-leftovers.ts";
import { waitFor } from "./wait-for.ts";

/** How a `canopy` ended. `code` is null when a signal ended it. */
export interface CliResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Where and with what a `canopy` runs. */
export interface CliOptions {
  readonly cwd?: string;
  readonly input?: string;
  /** Added to the home's environment, which is built from nothing. */
  readonly env?: Readonly<Record<string, string>>;
  /** A command before `canopy`, such as `["unshare", "-m", "sh", "-c", "... exec \"$@\"", "sh"]`. */
  readonly prefix?: readonly string[];
}

/** A `canopy` that runs. */
export interface RunningCli {
  readonly pid: number;
  readonly finished: Promise<CliResult>;
  /** What it printed so far. */
  output(): string;
  send(signal: NodeJS.Signals): void;
  /** Resolves when its output matches; rejects when it has ended without. */
  waitForOutput(pattern: RegExp): Promise<void>;
}

/** A user of their own: HOME, Canopy's folders and TMPDIR below one temporary folder. Disposing ends and removes all. */
export interface TestHome extends AsyncDisposable {
  readonly root: string;
  readonly canopyHome: string;
  readonly env: Readonly<Record<string, string>>;
  canopy(args: readonly string[], options?: CliOptions): Promise<CliResult>;
  /** Like `canopy`, for a command that must succeed with `--json`, which is added. */
  ask<T>(args: readonly string[], options?: CliOptions): Promise<T>;
  start(args: readonly string[], options?: CliOptions): RunningCli;
  /** What the daemon wrote down about itself, or null. */
  daemonPid(): number | null;
  /** Stops the daemon and waits until nothing of this home is left but files; then says what is. */
  shutDown(): Promise<Leftovers>;
}

const REPOSITORY_ROOT = join(import.meta.dirname, "../../../..");
const LAUNCHER = join(REPOSITORY_ROOT, "apps/cli/bin/canopy");
const SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const END_WITHIN_MS = 15_000;
/** A command that hangs is killed after this, before its test's time is over, so that the test still cleans up. */
const COMMAND_LIMIT_MS = 150_000;

/** Reads JSON that this program printed. */
export function parseJson<T>(text: string): T {
  return JSON.parse(text) as T;
}

function watchOutput(child: ChildProcess): RunningCli {
  let stdout = "";
  let stderr = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  let isOver = false;
  const finished = new Promise<CliResult>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      isOver = true;
      resolve({ code, signal, stdout, stderr });
    });
  });
  return {
    pid: child.pid ?? -1,
    finished,
    output: () => stdout + stderr,
    send: (signal) => void child.kill(signal),
    waitForOutput: (pattern) =>
      waitFor(`output matching ${String(pattern)}`, () => {
        if (pattern.test(stdout + stderr)) return true;
        if (isOver) throw new Error(`it ended without ${String(pattern)}; it printed:\n${stdout}${stderr}`);
        return null;
      }).then(() => undefined),
  };
}

class Home implements TestHome {
  readonly root: string;
  readonly canopyHome: string;
  readonly env: Readonly<Record<string, string>>;
  readonly #running = new Set<RunningCli>();

  constructor(root: string) {
    this.root = root;
    this.canopyHome = join(root, "canopy");
    this.env = {
      PATH: `${join(REPOSITORY_ROOT, "node_modules/.bin")}:${SYSTEM_PATH}`,
      HOME: join(root, "home"),
      TMPDIR: join(root, "tmp"),
      LANG: "C.UTF-8",
      CANOPY_HOME: this.canopyHome,
      CANOPY_PORT: "0",
    };
  }

  start(args: readonly string[], options: CliOptions = {}): RunningCli {
    const [program = LAUNCHER, ...rest] = [...(options.prefix ?? []), LAUNCHER, ...args];
    const child = spawn(program, rest, {
      cwd: options.cwd ?? this.root,
      env: { ...this.env, ...options.env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    child.stdin.on("error", () => undefined);
    child.stdin.end(options.input ?? "");
    const running = watchOutput(child);
    this.#running.add(running);
    const limit = setTimeout(() => running.send("SIGKILL"), COMMAND_LIMIT_MS);
    const forget = (): void => {
      clearTimeout(limit);
      this.#running.delete(running);
    };
    running.finished.then(forget, forget);
    return running;
  }

  async canopy(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
    return await this.start(args, options).finished;
  }

  async ask<T>(args: readonly string[], options: CliOptions = {}): Promise<T> {
    const result = await this.canopy([...args, "--json"], options);
    if (result.code === 0) return parseJson<T>(result.stdout);
    throw new Error(
      `canopy ${args.join(" ")} ended with ${String(result.code)}: ${result.stdout}${result.stderr}`,
    );
  }

  daemonPid(): number | null {
    return readDaemonInfo(join(this.canopyHome, "state", "daemon.json"))?.pid ?? null;
  }

  async shutDown(): Promise<Leftovers> {
    await this.canopy(["down"]);
    const isClean = async (): Promise<boolean | null> =>
      (await listLeftovers(this.root, this.canopyHome)).isClean ? true : null;
    await waitFor("nothing left over", isClean, END_WITHIN_MS).catch(() => undefined);
    return await listLeftovers(this.root, this.canopyHome);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const running of this.#running) running.send("SIGKILL");
    await Promise.all([...this.#running].map((running) => running.finished.catch(() => undefined)));
    const pid = this.daemonPid();
    if (pid !== null && isProcessAlive(pid)) await this.canopy(["down"]);
    // A failed test may leave more; it belongs to this home, whose folder is in its environment.
    for (const left of await findProcessesOf(this.root)) process.kill(left.pid, "SIGKILL");
    await rm(this.root, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Makes a temporary home that shares nothing with the user's. */
export async function openTestHome(): Promise<TestHome> {
  const root = await realpath(await mkdtemp(join(tmpdir(), "canopy-e2e-")));
  const home = new Home(root);
  for (const name of ["HOME", "TMPDIR"]) await mkdir(home.env[name] ?? "", { recursive: true });
  return home;
}
