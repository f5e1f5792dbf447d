import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openWorkspaceStore } from "./open-workspace-store.ts";
import { findMarked } from "./process-table.ts";
import { PROCESS_SETTINGS } from "./sandbox/sandbox-settings.ts";
import { listGroupsOf } from "./sandbox/resource-group.ts";
import type { SandboxSettings } from "./sandbox/sandbox-settings.ts";

// Run by crash.e2e.test.ts as a program of its own: `daemon` is killed by the test, `recover` comes after it.
const [mode = "", cacheDirectory = ""] = process.argv.slice(2);

const SANDBOX: SandboxSettings = {
  ...PROCESS_SETTINGS,
  level: "sandbox",
  network: "allowlist",
  limits: { processCount: 100 },
};

/** Starts agents that do all they can to survive, and waits to be killed. */
async function runDaemon(): Promise<void> {
  const store = await openWorkspaceStore({ cacheDirectory });
  const ids = ["att_1", "att_2", "att_3"];
  const hosts: number[] = [];
  for (const workspaceId of ids) {
    const workspace = await store.createWorkspace({
      workspaceId,
      project: { projectId: "prj_crash", name: "crash" },
      source: {
        commit: "c1",
        populate: async (directory): Promise<void> => {
          await mkdir(join(directory, "src"));
          await writeFile(join(directory, "src/file"), "base\n");
        },
      },
      metadata: { attempt: workspaceId },
      // One of them in a sandbox, with all that one is made of.
      ...(workspaceId === "att_2" ? { sandbox: SANDBOX } : {}),
    });
    const script = `echo "work of ${workspaceId}" > result; trap '' TERM INT HUP
      (env -i setsid sh -c 'trap "" TERM HUP; sleep 1000' &)
      setsid sh -c 'trap "" TERM HUP; sleep 1000' &
      echo ready; sleep 1000`;
    const agent = await workspace.spawn(["sh", "-c", script], { env: workspace.env });
    for await (const chunk of agent.stdout) if (Buffer.from(chunk).includes("ready")) break;
    hosts.push(agent.pid, Number(workspace.enter[2]));
  }
  process.stdout.write(`${JSON.stringify({ backend: store.choice.backend, pids: hosts })}\n`);
  await new Promise(() => setInterval(() => undefined, 60_000));
}

/** Takes over what the dead daemon left, reads the agents' work, and removes it. */
async function runRecovery(): Promise<void> {
  const store = await openWorkspaceStore({ cacheDirectory });
  const stale = await store.recover();
  const results: unknown[] = [];
  for (const each of stale) {
    const workspace = await each.open();
    const text = await readFile(join(workspace.readablePath, "result"), "utf8").catch(() => null);
    results.push({ metadata: each.metadata, isComplete: each.isComplete, result: text?.trim() ?? null });
    await workspace.dispose();
  }
  await store[Symbol.asyncDispose]();
  const left = {
    workspaces: await readdir(join(cacheDirectory, "workspaces")),
    groups: (await Promise.all(["att_1", "att_2", "att_3"].map(listGroupsOf))).flat(),
    trash: await readdir(join(cacheDirectory, "trash")).catch(() => []),
    marked: (
      await Promise.all(["att_1", "att_2", "att_3"].map((id) => findMarked(`CANOPY_ATTEMPT=${id}`)))
    ).flat(),
  };
  process.stdout.write(`${JSON.stringify({ results, left })}\n`);
}

await (mode === "daemon" ? runDaemon() : runRecovery());
