import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { CanopyError } from "@canopy/protocol";
import { listChildren, listPids, readProcessStat, sendSignal, waitUntil } from "./process-table.ts";

/**
 * A mount and process namespace, held by one small process:
 *
 *     daemon ── setpriv/unshare ── sh (process 1 inside: mounts, reaps) ── cat (waits for the daemon's end)
 *        └───── nsenter ── agent   (entered later; when process 1 ends, the kernel kills all inside)
 *
 * Mounts exist only inside. They are gone, with every process, however the holder ends: by `close`, by a signal, or by the
 * death of the daemon, which both closes the pipe that cat reads and fires the parent-death signal.
 */
export interface NamespaceHolder extends AsyncDisposable {
  /** Process 1 of the namespace, as numbered outside. */
  readonly initPid: number;
  /** Put before a path of the namespace, this process can read it from outside. */
  readonly root: string;
  /** Put before a command, it runs inside, as the user who may mount there. */
  readonly enter: readonly string[];
  /** Lines that the mount script printed before it was ready. */
  readonly notes: readonly string[];
  /** Resolves when the namespace is gone. */
  readonly closed: Promise<void>;
  /** Kills every process inside but the holder's own, and resolves when none is left. */
  killAll(): Promise<void>;
  /** Sends a signal to every process inside but process 1. */
  signalAll(name: "STOP" | "CONT"): Promise<void>;
}

/** What a namespace is made of. */
export interface HolderOptions {
  /** Makes a user namespace too, for people who are not root. */
  readonly withUserNamespace: boolean;
  /** Where the script runs; relative paths in it are relative to this. */
  readonly cwd: string;
  /** A shell script (with `set -e`) that mounts; `args` are its `$1`, `$2`, ... */
  readonly script: string;
  readonly args: readonly string[];
}

// A killed cat (by killAll) is started again; one that reached the end of input means that the daemon is gone.
// Waiting in a shell reaps every orphan of the namespace, for they become its children.
const HOLD = `
exec 3<&0 </dev/null
echo ready
exec >/dev/null 2>&1
cd /
while :; do
  cat <&3 &
  wait $! && exit 0
  [ $? -gt 128 ] || exit 1
done`;

const READY_WITHIN_MS = 30_000;
const CLOSE_WITHIN_MS = 10_000;
const HOLDER_PROCESSES = 2;

/** The program and options that make a namespace; a command follows. */
export function unshareCommand(withUserNamespace: boolean): [string, ...string[]] {
  const user = withUserNamespace ? ["--user", "--map-root-user"] : [];
  return [
    "setpriv",
    "--pdeathsig",
    "KILL",
    "unshare",
    ...user,
    "--mount",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
  ];
}

/** The environment of Canopy's own small commands inside a namespace. */
export function holderEnvironment(): Record<string, string> {
  const path = process.env["PATH"] ?? "";
  // mount and unshare live where an ordinary user's PATH may not lead.
  return { PATH: `${path}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`, LANG: "C.UTF-8" };
}

function waitForReady(child: ChildProcess): Promise<string[]> {
  return new Promise((resolve, reject) => {
    let output = "";
    let errors = "";
    const timer = setTimeout(() => fail("took too long"), READY_WITHIN_MS);
    const fail = (what: string): void => {
      clearTimeout(timer);
      child.kill("SIGKILL");
      const message = `the workspace could not be mounted: ${errors.trim().split("\n")[0] ?? ""} (${what})`;
      reject(new CanopyError("workspace.failed", message, { data: { stderr: errors.slice(0, 4_000) } }));
    };
    child.stderr?.on("data", (chunk: Buffer) => (errors += chunk.toString("utf8")));
    child.stdout?.on("data", (chunk: Buffer) => {
      output += chunk.toString("utf8");
      const lines = output.split("\n");
      if (!lines.includes("ready")) return;
      clearTimeout(timer);
      resolve(lines.slice(0, lines.indexOf("ready")));
    });
    child.once("error", (error: NodeJS.ErrnoException) => fail(error.code ?? error.message));
    child.once("close", (code, signal) => fail(`ended with ${String(code ?? signal)}`));
  });
}

async function findInit(child: ChildProcess): Promise<number> {
  const [init] = await listChildren(child.pid ?? 0);
  if (init !== undefined) return init;
  throw new CanopyError("workspace.failed", "the workspace's holder ended as soon as it had started");
}

/** True for the holder's own processes inside: process 1 and the cat it waits for. */
async function isHolders(pid: number, proc: string): Promise<boolean> {
  if (pid === 1) return true;
  const stat = await readProcessStat(pid, proc);
  return (
    stat === null || stat.state === "Z" || stat.state === "X" || (stat.parent === 1 && stat.name === "cat")
  );
}

async function countOthers(proc: string): Promise<number> {
  const answers = await Promise.all((await listPids(proc)).map((pid) => isHolders(pid, proc)));
  return answers.filter((isOwn) => !isOwn).length;
}

async function runInside(enter: readonly string[], script: string): Promise<void> {
  const [program, ...args] = [...enter, "sh", "-c", script];
  if (program === undefined) return;
  const child = spawn(program, args, { env: holderEnvironment(), stdio: "ignore" });
  await once(child, "close").catch(() => undefined);
}

/** Starts a namespace and resolves once its mounts are made. Throws `workspace.failed` with what mount said. */
export async function startNamespaceHolder(options: HolderOptions): Promise<NamespaceHolder> {
  const [program, ...prefix] = unshareCommand(options.withUserNamespace);
  const child = spawn(
    program,
    [...prefix, "sh", "-c", `set -e\n${options.script}\nset +e${HOLD}`, "sh", ...options.args],
    {
      cwd: options.cwd,
      env: holderEnvironment(),
      stdio: ["pipe", "pipe", "pipe"],
      detached: true,
    },
  );
  child.stdin?.on("error", () => undefined);
  const closed = new Promise<void>((resolve) => {
    child.once("close", () => resolve());
    child.once("error", () => resolve());
  });
  const notes = await waitForReady(child);
  const initPid = await findInit(child);
  const root = `/proc/${initPid}/root`;
  const user = options.withUserNamespace ? ["--user", "--preserve-credentials"] : [];
  const enter = ["nsenter", "--target", String(initPid), ...user, "--mount", "--pid"];
  let isClosed = false;
  void closed.then(() => (isClosed = true));
  const close = async (): Promise<void> => {
    if (isClosed) return;
    // unshare ends when process 1 has, and process 1 when all inside have.
    sendSignal(initPid, "SIGKILL");
    const timer = setTimeout(() => child.kill("SIGKILL"), CLOSE_WITHIN_MS);
    await closed;
    clearTimeout(timer);
  };
  return {
    initPid,
    root,
    enter,
    notes,
    closed,
    async killAll(): Promise<void> {
      const proc = `${root}/proc`;
      if ((await listPids(proc)).length <= HOLDER_PROCESSES) return;
      // -1 from inside is everybody inside but the sender and process 1, in one step: nothing can fork its way out.
      await runInside(enter, "kill -9 -1");
      const isEmpty = await waitUntil(async () => (await countOthers(proc)) === 0, CLOSE_WITHIN_MS);
      if (!isEmpty) await close();
    },
    signalAll: (name) => runInside(enter, `kill -${name} -1`),
    [Symbol.asyncDispose]: close,
  };
}
