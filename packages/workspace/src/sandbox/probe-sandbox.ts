import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, realpath, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { platform } from "node:process";
import { isCanopyError } from "@canopy/protocol";
import { openWorkspaceStore } from "../open-workspace-store.ts";
import { removeTree } from "../remove-tree.ts";
import type { Workspace } from "../workspace.ts";
import { describeLevels } from "./describe-levels.ts";
import type { LevelAnswer } from "./describe-levels.ts";
import { openResourceGroup } from "./resource-group.ts";
import { PROCESS_SETTINGS } from "./sandbox-settings.ts";
import type { SandboxLimits } from "./sandbox-settings.ts";

/** One thing that the sandbox promises, and whether it keeps it on this machine. */
export interface SandboxFeature {
  readonly feature: string;
  readonly state: "enforced" | "partly" | "not-enforced";
  readonly detail: string;
}

/** What the levels are worth here. */
export interface SandboxReport {
  readonly isAvailable: boolean;
  /** Why not, and what to do; null when it is. */
  readonly reason: string | null;
  readonly fix: string | null;
  readonly features: readonly SandboxFeature[];
  readonly levels: readonly LevelAnswer[];
}

/** Each script succeeds only where the promise is broken. */
const TRIES: readonly (readonly [feature: string, script: string, promise: string])[] = [
  ["files", 'cat "$PROBE_SECRET"', "only the system, tools and the workspace are seen"],
  [
    "read-only system",
    "touch /usr/.canopy-probe && rm /usr/.canopy-probe",
    "nothing but the workspace is writable",
  ],
  ["processes", "[ -e /proc/$PROBE_PID/stat ]", "a process namespace of its own"],
  [
    "network",
    "tail -n +3 /proc/net/dev | grep -qv ' lo:'",
    "loopback of its own; out by the egress proxy only",
  ],
  ["capabilities", "! grep -q 'CapBnd:.0000000000000000' /proc/self/status", "all dropped"],
  ["no new privileges", "! grep -q 'NoNewPrivs:.1' /proc/self/status", "set-user-id programs gain nothing"],
  [
    "system call filter",
    "! grep -q 'Seccomp:.2' /proc/self/status",
    "mount, namespaces, keyring, io_uring, bpf and others refused",
  ],
  ["user namespaces", "unshare -Ur true", "cannot be made inside"],
];

const FIXES: readonly (readonly [RegExp, string])[] = [
  [/perl|ENOENT/, "Install perl (apt-get install perl-base, dnf install perl-interpreter, apk add perl)."],
  [/need Linux/, "The level sandbox needs Linux, on Windows WSL 2."],
  [
    /proc: Operation not permitted/,
    "A container hides parts of /proc: start it with --security-opt systempaths=unconfined.",
  ],
  [
    /not permitted|unshare/i,
    "Allow user namespaces: sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0; in a container, add --cap-add SYS_ADMIN or --privileged.",
  ],
  [/not implemented|restrict/, "Linux 5.12 or later is needed."],
];

async function succeeds(workspace: Workspace, script: string, env: Record<string, string>): Promise<boolean> {
  const handle = await workspace.spawn(["sh", "-c", script], { env: { ...workspace.env, ...env } });
  handle.endInput();
  const drain = async (stream: AsyncIterable<Uint8Array>): Promise<void> => {
    for await (const _chunk of stream);
  };
  const [exit] = await Promise.all([handle.exited, drain(handle.stdout), drain(handle.stderr)]);
  return exit.code === 0;
}

async function probeLimits(): Promise<SandboxFeature[]> {
  const wanted: Required<Pick<SandboxLimits, "memoryBytes" | "processCount" | "cpuCount">> = {
    memoryBytes: 2 ** 30,
    processCount: 100,
    cpuCount: 1,
  };
  await using group = await openResourceGroup(`probe-${randomBytes(4).toString("hex")}`, wanted);
  const memory = group.held.has("memoryBytes");
  const pids = group.held.has("processCount");
  const cpu = group.held.has("cpuCount");
  return [
    {
      feature: "memory limit",
      state: memory ? "enforced" : "partly",
      detail: memory ? "by a control group" : "each process by an rlimit, all together by looking at them",
    },
    {
      feature: "process limit",
      state: pids ? "enforced" : "partly",
      detail: pids ? "by a control group" : "by looking at them, and by an rlimit for who is not root",
    },
    {
      feature: "cpu limit",
      state: cpu ? "enforced" : "partly",
      detail: cpu ? "by a control group" : "no control group can be made: processes are stopped and go on",
    },
    { feature: "open files limit", state: "enforced", detail: "per process, by an rlimit" },
    {
      feature: "disk limit",
      state: "partly",
      detail: "each file by an rlimit; their sum and number are counted up to four times a second",
    },
    { feature: "time limit", state: "enforced", detail: "all processes are killed when it is over" },
  ];
}

function explain(error: unknown): { reason: string; fix: string } {
  const reason = isCanopyError(error) ? error.message : String(error);
  return { reason, fix: FIXES.find(([pattern]) => pattern.test(reason))?.[1] ?? "See docs/sandbox.md." };
}

/**
 * Makes a sandbox and tries from inside what each promise forbids, and asks the other levels. Takes about a quarter of a second;
 * leaves nothing.
 */
export async function probeSandbox(): Promise<SandboxReport> {
  const found = await probeNamespaces();
  return { ...found, levels: await describeLevels(found) };
}

async function probeNamespaces(): Promise<Omit<SandboxReport, "levels">> {
  if (platform === "darwin") {
    const detail = "files and network by sandbox-exec; never run by its authors";
    return {
      isAvailable: true,
      reason: null,
      fix: null,
      features: [{ feature: "sandbox-exec", state: "partly", detail }],
    };
  }
  if (platform !== "linux")
    return { isAvailable: false, ...explain(`sandboxes need Linux, this is ${platform}`), features: [] };
  const base = await realpath(await mkdtemp(join(tmpdir(), "canopy-probe-")));
  try {
    await mkdir(join(base, "private"));
    await writeFile(join(base, "private", "secret"), "secret");
    await using store = await openWorkspaceStore({ cacheDirectory: join(base, "cache") });
    const workspace = await store.createWorkspace({
      workspaceId: "probe",
      project: { projectId: "prj_probe", name: "probe" },
      source: { commit: "probe", populate: (directory) => writeFile(join(directory, "file"), "") },
      sandbox: { ...PROCESS_SETTINGS, level: "sandbox", network: "allowlist" },
    });
    const env = { PROBE_SECRET: join(base, "private", "secret"), PROBE_PID: String(process.pid) };
    const features: SandboxFeature[] = [];
    for (const [feature, script, promise] of TRIES) {
      const isBroken = await succeeds(workspace, script, env);
      features.push({ feature, state: isBroken ? "not-enforced" : "enforced", detail: promise });
    }
    await workspace.dispose();
    return { isAvailable: true, reason: null, fix: null, features: [...features, ...(await probeLimits())] };
  } catch (error) {
    return { isAvailable: false, ...explain(error), features: [] };
  } finally {
    await removeTree(base);
  }
}
