import { access, mkdtemp, readdir, realpath, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openWorkspaceStore } from "../open-workspace-store.ts";
import { findMarked, waitUntil } from "../process-table.ts";
import { removeTree } from "../remove-tree.ts";
import type { WorkspaceStore } from "../workspace-store.ts";
import type { Workspace } from "../workspace.ts";
import { PROCESS_SETTINGS } from "./sandbox-settings.ts";
import type { SandboxSettings } from "./sandbox-settings.ts";

let base = "";
let store: WorkspaceStore;
let count = 0;

beforeAll(async () => {
  base = await realpath(await mkdtemp(join(tmpdir(), "canopy-limits-")));
  store = await openWorkspaceStore({ cacheDirectory: join(base, "cache") });
});

afterAll(async () => {
  await store[Symbol.asyncDispose]();
  await removeTree(base);
});

async function create(settings: Partial<SandboxSettings>): Promise<Workspace> {
  count += 1;
  return await store.createWorkspace({
    workspaceId: `limits-${count}`,
    project: { projectId: "prj_limits", name: "limits" },
    source: { commit: "c", populate: (directory) => writeFile(join(directory, "file"), "x") },
    sandbox: { ...PROCESS_SETTINGS, level: "sandbox", network: "deny", ...settings },
  });
}

async function execute(
  workspace: Workspace,
  script: string,
): Promise<{ output: string; code: number | null }> {
  const handle = await workspace.spawn(["sh", "-c", script], { env: workspace.env });
  handle.endInput();
  let output = "";
  const collect = async (stream: AsyncIterable<Uint8Array>): Promise<void> => {
    for await (const chunk of stream) output += Buffer.from(chunk).toString("utf8");
  };
  const [exit] = await Promise.all([handle.exited, collect(handle.stdout), collect(handle.stderr)]);
  return { output: output.trim(), code: exit.code };
}

const hasGroups = await access("/sys/fs/cgroup/memory/cgroup.procs").then(
  () => process.getuid?.() === 0,
  () =>
    access("/sys/fs/cgroup/cgroup.controllers").then(
      () => process.getuid?.() === 0,
      () => false,
    ),
);

test.skipIf(!hasGroups)("a memory hog is killed, and the limit is named", async () => {
  const workspace = await create({ limits: { memoryBytes: 64 * 2 ** 20 } });
  const hog = await execute(workspace, "head -c 300m /dev/zero | tail -c 299m | wc -c");
  expect(hog.output).not.toBe(String(299 * 2 ** 20));
  expect(await workspace.describeLimitHit()).toBe("memory limit 64 MB");
  await workspace.dispose();
});

test.skipIf(!hasGroups)("a fork bomb stays within its limit, and dies with the workspace", async () => {
  const workspace = await create({ limits: { processCount: 40 } });
  const bomb = await workspace.spawn(["sh", "-c", "b() { b | b & b; }; b"], { env: workspace.env });
  expect(
    await waitUntil(async () => (await workspace.describeLimitHit()) === "process limit 40", 10_000),
  ).toBe(true);
  await bomb.stop(0);
  await workspace.stopProcesses();
  expect(await findMarked(`CANOPY_ATTEMPT=${workspace.workspaceId}`)).toEqual([]);
  await workspace.dispose();
});

test("open files and the size of a file are limited", async () => {
  const workspace = await create({ limits: { openFileCount: 64, diskBytes: 2 ** 20 } });
  const flood = await execute(
    workspace,
    `perl -e 'my @f; for (1..200) { open my $f, "<", "file" or last; push @f, $f } print @f < 64 ? "limited" : "free"'`,
  );
  const fill = await execute(workspace, "head -c 5m /dev/zero > big 2>/dev/null; wc -c < big");
  expect([flood.output, fill.output]).toEqual(["limited", String(2 ** 20)]);
  await workspace.dispose();
});

test("processes that ignore signals, leave their session and lose their parent die with the workspace", async () => {
  const workspace = await create({});
  const script =
    "trap '' TERM INT HUP; (env -i setsid sh -c 'trap \"\" TERM; sleep 7654' &); setsid sleep 7654 & sleep 7654 & echo started; wait";
  const agent = await workspace.spawn(["sh", "-c", script], { env: workspace.env });
  for await (const chunk of agent.stdout) if (Buffer.from(chunk).includes("started")) break;
  await agent.stop(10);
  expect((await execute(workspace, "ps ax | grep -c '[s]leep 7654'")).output).toBe("0");
  await workspace.dispose();
});

test("a workspace has a loopback of its own, shared by its processes", async () => {
  const [one, two] = [await create({}), await create({})];
  const server = `perl -MIO::Socket::INET -e '$| = 1; my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1:8123", ReuseAddr => 1) or die; print "up\\n"; while (my $c = $s->accept) { print $c "hello\\n"; close $c }'`;
  const ask = `perl -MIO::Socket::INET -e 'my $c = IO::Socket::INET->new("127.0.0.1:8123") or print("none"), exit; print scalar <$c>'`;
  const running = await one.spawn(["sh", "-c", server], { env: one.env });
  for await (const chunk of running.stdout) if (Buffer.from(chunk).includes("up")) break;
  expect([(await execute(one, ask)).output, (await execute(two, ask)).output]).toEqual(["hello", "none"]);
  await one.dispose();
  await two.dispose();
});

test("after many sandboxes nothing is left", async () => {
  await Promise.all(
    Array.from({ length: 8 }, async () => (await create({ limits: { processCount: 50 } })).dispose()),
  );
  await waitUntil(
    async () => (await readdir(join(base, "cache", "trash")).catch(() => [])).length === 0,
    10_000,
  );
  const groups = await Promise.all(
    ["", "memory", "pids", "cpu"].map((name) => readdir(join("/sys/fs/cgroup", name)).catch(() => [])),
  );
  expect({
    workspaces: await readdir(join(base, "cache", "workspaces")),
    groups: groups.flat().filter((name) => name.startsWith("canopy-limits-")),
  }).toEqual({ workspaces: [], groups: [] });
});
