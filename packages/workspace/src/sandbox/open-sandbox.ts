import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { NamespaceHolder } from "../namespace-holder.ts";
import { holderEnvironment } from "../namespace-holder.ts";
import { listPids, readProcessStat, waitUntil } from "../process-table.ts";
import { toolPath } from "../tool-paths.ts";
import type { WorkspaceLayout } from "../workspace-layout.ts";
import { PROXY_PORT, startEgressProxy } from "./egress-proxy.ts";
import type { EgressProxy, Refusal } from "./egress-proxy.ts";
import { planMounts } from "./plan-mounts.ts";
import { createPause, createProcessTree, listPidsNow } from "./process-tree.ts";
import type { ProcessTree } from "./process-tree.ts";
import type { ResourceGroup } from "./resource-group.ts";
import { dataRlimitBytes } from "./resource-group.ts";
import type { SandboxLimits, SandboxSettings } from "./sandbox-settings.ts";
import { createUnavailable } from "./sandbox-unavailable.ts";
import { createSeccompFilter } from "./seccomp-filter.ts";

const INIT = join(import.meta.dirname, "sandbox-init.pl");
const ENTER = join(import.meta.dirname, "sandbox-enter.pl");
const RLIMIT_FSIZE = 1;
const RLIMIT_DATA = 2;
const RLIMIT_CORE = 4;
const RLIMIT_NPROC = 6;
const RLIMIT_NOFILE = 7;
const KILL_WITHIN_MS = 10_000;

/** What a sandbox is made in. */
export interface SandboxOptions {
  readonly layout: WorkspaceLayout;
  readonly upperDirectory: string | null;
  readonly holder: NamespaceHolder;
  readonly withUserNamespace: boolean;
  readonly settings: SandboxSettings;
  readonly group: ResourceGroup;
  readonly path: string;
  readonly state: readonly string[];
  readonly onRefusal: ((refusal: Refusal) => void) | undefined;
}

/** Namespaces of a workspace's own, in which its processes are started. Gone with the holder, however that ends. */
export interface Sandbox extends AsyncDisposable {
  /** Put before a path of the sandbox, this process can read it from outside. */
  readonly root: string;
  /** The command that runs `command` in a folder inside. */
  enter(cwd: string, command: readonly string[]): [string, ...string[]];
  /** Variables that the processes need to find the way out. */
  readonly env: Readonly<Record<string, string>>;
  readonly refusals: readonly Refusal[];
  killAll(): Promise<void>;
  /** Stops every process, or lets them go on. All at once: none can go on by itself. */
  pauseAll(isPaused: boolean): Promise<void>;
  readonly tree: ProcessTree;
}

/** The rlimits that stand in for what the control groups do not hold, as `number=value,...`. Per process, but for NPROC. */
export function planRlimits(limits: SandboxLimits, held: ReadonlySet<keyof SandboxLimits>): string {
  const parts = [`${RLIMIT_CORE}=0`];
  if (limits.openFileCount !== undefined) parts.push(`${RLIMIT_NOFILE}=${limits.openFileCount}`);
  if (limits.diskBytes !== undefined) parts.push(`${RLIMIT_FSIZE}=${limits.diskBytes}`);
  if (limits.memoryBytes !== undefined && !held.has("memoryBytes"))
    parts.push(`${RLIMIT_DATA}=${dataRlimitBytes(limits.memoryBytes)}`);
  if (limits.processCount !== undefined && !held.has("processCount"))
    parts.push(`${RLIMIT_NPROC}=${limits.processCount}`);
  return parts.join(",");
}

/** Resolves as soon as the sandbox is there; the end of the program that made it is not waited for. */
async function runInit(command: readonly string[]): Promise<number> {
  const [program = "", ...args] = command;
  const child = spawn(program, args, {
    env: holderEnvironment(),
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  let output = "";
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString("utf8")));
  return await new Promise<number>((resolve, reject) => {
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString("utf8");
      const first = /^sandbox (\d+)\n/m.exec(output)?.[1];
      if (first !== undefined) resolve(Number(first));
    });
    child.once("error", (error) => reject(createUnavailable(error.message)));
    child.once("close", () =>
      reject(createUnavailable(errors.trim().split("\n")[0] || "it ended without a word")),
    );
  });
}

/** Runs the program that makes the sandbox; answers its first process, as the holder numbers it. */
async function makeNamespaces(options: SandboxOptions, root: string, socketPath: string): Promise<number> {
  const { holder, settings, withUserNamespace } = options;
  const steps = await planMounts(options);
  // In a user namespace the program must be executed inside: only then may its maker look at processes that are not dumpable.
  const enterHolder = withUserNamespace ? holder.enter : [];
  const where = withUserNamespace ? "-" : String(holder.initPid);
  const port = settings.network === "allow" ? "host" : String(PROXY_PORT);
  const ids = [process.getuid?.() ?? 0, process.getgid?.() ?? 0].map(String);
  const args = [where, root, ...ids, port, socketPath, ...steps.flat()];
  return await runInit([...enterHolder, toolPath("perl"), INIT, ...args]);
}

async function startProxy({ layout, settings, onRefusal }: SandboxOptions): Promise<EgressProxy | null> {
  if (settings.network !== "allowlist") return null;
  const { allow, credentials } = settings;
  return await startEgressProxy(join(layout.directory, "egress"), { allow, credentials, onRefusal });
}

async function countOthers(proc: string): Promise<number> {
  const pids = (await listPids(proc)).filter((pid) => pid !== 1);
  const states = await Promise.all(pids.map((pid) => readProcessStat(pid, proc)));
  return states.filter((each) => each !== null && each.state !== "Z" && each.state !== "X").length;
}

/** From inside, -1 is everybody but process 1 and the sender, in one step: nothing can fork its way out. */
async function signalAll(enter: Sandbox["enter"], name: "KILL" | "STOP" | "CONT"): Promise<void> {
  const [program, ...args] = enter("/", ["--signal-all", name]);
  const child = spawn(program, args, { env: holderEnvironment(), stdio: "ignore" });
  await once(child, "close").catch(() => undefined);
}

/** Tools that would look for themselves in the private HOME are told where they are. */
function listToolVariables(path: string): Record<string, string> {
  const cargo = path.split(":").find((entry) => entry.endsWith("/.cargo/bin"));
  if (cargo === undefined) return {};
  return { RUSTUP_HOME: process.env["RUSTUP_HOME"] ?? join(cargo, "../../.rustup") };
}

/** Makes a sandbox around a mounted workspace. Throws `sandbox.unavailable`, never makes a weaker one. */
export async function openSandbox(options: SandboxOptions): Promise<Sandbox> {
  const { holder, layout, settings, withUserNamespace, group } = options;
  const filter = createSeccompFilter();
  if (filter === null) throw createUnavailable(`no system call filter for ${process.arch}`);
  const root = join(layout.directory, "root");
  await mkdir(root, { recursive: true });
  const proxy = await startProxy(options);
  try {
    const first = await makeNamespaces(options, root, proxy?.socketPath ?? "");
    const sandboxRoot = `${holder.root}/proc/${first}/root`;
    await stat(sandboxRoot).catch(() => {
      throw createUnavailable("it ended as soon as it had started");
    });
    const limits = planRlimits(settings.limits, group.held);
    const enter = (cwd: string, command: readonly string[]): [string, ...string[]] => [
      toolPath("perl"),
      ENTER,
      String(holder.initPid),
      String(first),
      withUserNamespace ? "1" : "0",
      group.entries.join(":"),
      limits,
      filter,
      cwd,
      ...command,
    ];
    const proc = `${sandboxRoot}/proc`;
    const pauseAll = createPause((name) => signalAll(enter, name));
    return {
      root: sandboxRoot,
      enter,
      env: { ...listToolVariables(options.path), ...proxy?.env },
      refusals: proxy?.refusals ?? [],
      pauseAll,
      tree: createProcessTree({
        proc,
        listPids: () => listPidsNow(proc),
        ownPid: 1,
        ownCount: 0,
        slowestLookMs: 1_000,
        setPaused: pauseAll,
      }),
      async killAll(): Promise<void> {
        const isEmpty = await waitUntil(async () => {
          if ((await countOthers(proc)) === 0) return true;
          await signalAll(enter, "KILL");
          return (await countOthers(proc)) === 0;
        }, KILL_WITHIN_MS);
        if (!isEmpty) await holder[Symbol.asyncDispose]();
      },
      async [Symbol.asyncDispose](): Promise<void> {
        await proxy?.[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await proxy?.[Symbol.asyncDispose]();
    throw error;
  }
}
