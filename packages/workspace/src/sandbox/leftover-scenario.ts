import { readFile, readdir, readlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openWorkspaceStore } from "../open-workspace-store.ts";
import { listPids, readProcessStat, sendSignal } from "../process-table.ts";
import type { WorkspaceStore } from "../workspace-store.ts";
import type { Workspace } from "../workspace.ts";
import { PROCESS_SETTINGS } from "./sandbox-settings.ts";

// Run by leftovers.e2e.test.ts and by `npm run bench -- sandbox-leftovers` as programs of their own:
// `daemon CACHE COUNT NAME` makes sandboxes, ends some, has some killed and waits with the rest for a SIGKILL of its own;
// `recover CACHE` is the daemon after it; `survey CACHE NAME` prints what is left of all of them.
const [mode = "", cacheDirectory = "", third = "", fourth = ""] = process.argv.slice(2);
const SIDE_BY_SIDE = 4;
/** Does all it can to survive. */
const AGENT = `trap '' TERM INT HUP; (env -i setsid sh -c 'trap "" TERM HUP; sleep 4000' &); setsid sleep 4000 & echo work > result; echo ready; sleep 4000`;

async function start(store: WorkspaceStore, workspaceId: string): Promise<Workspace> {
  const workspace = await store.createWorkspace({
    workspaceId,
    project: { projectId: "prj_left", name: "left" },
    source: { commit: "c", populate: (directory) => writeFile(join(directory, "file"), "x") },
    sandbox: {
      ...PROCESS_SETTINGS,
      level: "sandbox",
      network: "allowlist",
      hasToolCaches: true,
      limits: { processCount: 100, memoryBytes: 2 ** 30, fileCount: 100_000 },
    },
  });
  const agent = await workspace.spawn(["sh", "-c", AGENT], { env: workspace.env });
  for await (const chunk of agent.stdout) if (Buffer.from(chunk).includes("ready")) break;
  return workspace;
}

/** A third is disposed of as it should be, a third loses its first process by a SIGKILL, a third is still at work. */
async function runDaemon(count: number, name: string): Promise<void> {
  const store = await openWorkspaceStore({ cacheDirectory });
  const next = Array.from({ length: count }, (_each, index) => index).values();
  const work = async (): Promise<void> => {
    for (const index of next) {
      const workspace = await start(store, `${name}-${index}`);
      if (index % 3 === 2) continue;
      // The holder of the namespaces, as it is numbered in `nsenter --target PID`.
      if (index % 3 === 1) sendSignal(Number(workspace.enter[2]), "SIGKILL");
      await workspace.dispose();
    }
  };
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, work));
  process.stdout.write("ready\n");
  await new Promise(() => setInterval(() => undefined, 60_000));
}

async function runRecovery(): Promise<void> {
  const store = await openWorkspaceStore({ cacheDirectory });
  const stale = await store.recover();
  await Promise.all(stale.map((each) => each.dispose()));
  await store[Symbol.asyncDispose]();
  process.stdout.write(`${JSON.stringify({ recovered: stale.length })}\n`);
}

async function readOf(pid: number, file: string): Promise<string> {
  return await readFile(`/proc/${pid}/${file}`, "latin1").catch(() => "");
}

async function isOurs(pid: number, name: string): Promise<boolean> {
  const [command, environment, stat] = await Promise.all([
    readOf(pid, "cmdline"),
    readOf(pid, "environ"),
    readProcessStat(pid),
  ]);
  const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => "");
  const texts = [command, environment, cwd].some(
    (text) => text.includes(cacheDirectory) || text.includes(`=${name}-`),
  );
  return stat !== null && stat.state !== "Z" && (texts || command.includes("sleep\u00004000"));
}

/** What is there of any sandbox of this cache: processes, mounts in any namespace, namespaces, control groups, files. */
async function survey(name: string): Promise<void> {
  const pids = (await listPids()).filter((pid) => pid !== process.pid && pid !== process.ppid);
  const ours = await Promise.all(pids.map((pid) => isOurs(pid, name)));
  const processes = pids.filter((_pid, index) => ours[index]);
  const mounts = new Set<string>();
  const namespaces = new Set<string>();
  for (const pid of [process.pid, ...pids]) {
    for (const line of (await readOf(pid, "mountinfo")).split("\n"))
      if (line.includes(cacheDirectory)) mounts.add(line.split(" ")[4] ?? "");
    if (!processes.includes(pid)) continue;
    for (const kind of ["mnt", "pid", "net", "ipc", "uts", "user"])
      namespaces.add(await readlink(`/proc/${pid}/ns/${kind}`).catch(() => ""));
  }
  const groups = await Promise.all(
    ["", "memory", "pids", "cpu"].map((folder) => readdir(join("/sys/fs/cgroup", folder)).catch(() => [])),
  );
  const files = await Promise.all(
    ["workspaces", "trash"].map((folder) => readdir(join(cacheDirectory, folder)).catch(() => [])),
  );
  const found = {
    processes: processes.length,
    mounts: [...mounts],
    namespaces: namespaces.size,
    groups: groups.flat().filter((group) => group.startsWith(`canopy-${name}-`)),
    files: files.flat(),
  };
  process.stdout.write(`${JSON.stringify(found)}\n`);
}

if (mode === "daemon") await runDaemon(Number(third), fourth);
else if (mode === "recover") await runRecovery();
else await survey(third);
