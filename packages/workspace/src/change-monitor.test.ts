import { execFile } from "node:child_process";
import { chown, mkdtemp, realpath } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { openMonitorScenario, runScript, runSeed, scenarioEnvironment } from "./monitor-scenario.ts";
import type { MonitorScenario } from "./monitor-scenario.ts";
import { removeTree } from "./remove-tree.ts";
import type { BackendName } from "./workspace-metadata.ts";
import type { Workspace } from "./workspace.ts";

const run = promisify(execFile);
const IS_ROOT = process.getuid?.() === 0;
const OVERLAYS: BackendName[] = IS_ROOT ? ["overlay", "overlay-userns"] : ["overlay-userns"];
const NOBODY = 65_534;
const SEEDS = [1, 2, 5];

/** A workspace on the full layer and one on a difference, in this order. */
async function createBoth(scenario: MonitorScenario): Promise<Workspace[]> {
  const project = { projectId: "prj_monitor", name: "repo" };
  const { older, newer } = scenario;
  const first = await scenario.store.createWorkspace({ workspaceId: "older", project, source: older });
  return [first, await scenario.store.createWorkspace({ workspaceId: "newer", project, source: newer })];
}

/** Asks the workspace's program as git does; answers, line by line and sorted, what it names and how it ended. */
function askProgram(workspace: Workspace, folder = "."): Promise<string> {
  const ask = `cd ${folder} && "$(dirname "$TMPDIR")/git-monitor" 2 canopy-1`;
  return runScript(workspace, `(${ask}; echo "exit $?") | tr '\\0' '\\n' | sort`);
}

test.each(OVERLAYS)("git sees every change as it would by looking at every file (%s)", async (backend) => {
  await using scenario = await openMonitorScenario(backend);
  const project = { projectId: "prj_monitor", name: "repo" };
  // The older commit comes first, so that the newer is a difference on it.
  await scenario.store.createWorkspace({ workspaceId: "first", project, source: scenario.older });
  for (const seed of SEEDS) expect(await runSeed(scenario, seed)).toBeNull();
});

test.runIf(IS_ROOT)("git sees every change for an ordinary user", async () => {
  const directory = await realpath(await mkdtemp(join(tmpdir(), "canopy-monitor-")));
  try {
    await chown(directory, NOBODY, NOBODY);
    const user = ["--reuid", String(NOBODY), "--regid", String(NOBODY), "--clear-groups"];
    const program = [process.execPath, join(import.meta.dirname, "monitor-scenario.ts")];
    const args = [...user, ...program, "overlay-userns", "7", "2"];
    const output = await run("setpriv", args, { env: { ...scenarioEnvironment(), TMPDIR: directory } });
    expect(output.stdout).toBe("2 runs: always the same\n");
  } finally {
    await removeTree(directory);
  }
});

test.each(OVERLAYS)(
  "git trusts every file of a new workspace without looking at it (%s)",
  async (backend) => {
    await using scenario = await openMonitorScenario(backend);
    for (const workspace of await createBoth(scenario)) {
      expect(await askProgram(workspace)).toBe("canopy-1\nexit 0");
      expect(await runScript(workspace, "git status --porcelain; git ls-files -f | grep -v '^h '")).toBe("");
    }
  },
);

test.each(OVERLAYS)("only what may differ from the layers is named (%s)", async (backend) => {
  await using scenario = await openMonitorScenario(backend);
  const [, newer] = await createBoth(scenario);
  await runScript(
    newer!,
    "echo x > a/b/f1; rm -r g; mkdir g; rm f1; echo n > many/1/n; rm -r many/1; mkdir many/1",
  );
  const names = new Set((await askProgram(newer!)).split("\n"));
  expect([...names]).toEqual([
    ".canopy-monitor",
    "a/.canopy-monitor",
    "a/b/.canopy-monitor",
    "a/b/f1",
    "canopy-1",
    "exit 0",
    "f1",
    "f1/",
    "g",
    "g/",
    "g/.canopy-monitor",
    "many/.canopy-monitor",
    "many/1",
    "many/1/",
    "many/1/.canopy-monitor",
  ]);
  await runScript(newer!, "git checkout -q .; echo n > n; git add n; git status; rm n");
  const named = (await askProgram(newer!)).split("\n");
  expect([named.includes("n"), named.includes(".canopy-monitor"), named.includes("link")]).toEqual([
    true,
    true,
    false,
  ]);
});

test("nothing is answered for other files than the workspace's", async () => {
  await using scenario = await openMonitorScenario(OVERLAYS[0]!);
  const [older] = await createBoth(scenario);
  await runScript(older!, 'git worktree add -q --detach "$TMPDIR/linked"; cp -r . "$TMPDIR/copy"');
  expect(await askProgram(older!, '"$TMPDIR/linked"')).toBe("exit 1");
  expect(await askProgram(older!, '"$TMPDIR/copy"')).toBe("exit 1");
  const unknown = '"$(dirname "$TMPDIR")/git-monitor" 2 other | tr "\\0" " "';
  expect(await runScript(older!, unknown)).toBe("canopy-1 /");
  const hidden = 'mount -t tmpfs none a && "$(dirname "$TMPDIR")/git-monitor" 2 canopy-1 | tr "\\0" " "';
  const asRoot = IS_ROOT ? hidden : `unshare --user --map-root-user --mount sh -c '${hidden}'`;
  expect(await runScript(older!, asRoot)).toBe("canopy-1 /");
});

test("a name that comes and goes at the root, and folders that git refuses as paths, are seen", async () => {
  await using scenario = await openMonitorScenario(OVERLAYS[0]!);
  const [older] = await createBoth(scenario);
  const status = "git status --porcelain -unormal";
  expect(await runScript(older!, `echo n > git~1; ${status}; rm git~1; ${status}`)).toBe("?? git~1");
  expect(await runScript(older!, `echo n > n; ${status}; rm n; ${status}`)).toBe("?? n");
  const script = `mkdir git~1; echo n > git~1/n; ${status}; rm git~1/n; ${status}; echo n > git~1/m; ${status}`;
  expect(await runScript(older!, script)).toBe("?? git~1/\n?? git~1/");
  expect(await askProgram(older!)).toContain("exit 1");
});

test("changes in a folder brought along are seen, ignored or not", async () => {
  await using scenario = await openMonitorScenario(OVERLAYS[0]!);
  const workspace = await scenario.store.createWorkspace({
    workspaceId: "one",
    project: { projectId: "prj_monitor", name: "repo" },
    source: scenario.older,
    bring: { from: join(scenario.root, "bring"), directories: ["vendor", "parts"] },
  });
  const status = "git status --porcelain -uall";
  const change = `echo z > parts/z; ${status}; rm parts/y; ${status}`;
  expect(await runScript(workspace, change)).toBe("?? parts/y\n?? parts/z\n?? parts/z");
  expect(await runScript(workspace, `rm parts/z; ${status}`)).toBe("");
  expect(await runScript(workspace, `echo a > parts/a; ${status}`)).toBe("?? parts/a");
  await runScript(workspace, "echo parts/ >> .git/info/exclude");
  expect(await runScript(workspace, `echo w > parts/w; echo w > vendor/w; ${status}`)).toBe("");
  expect((await askProgram(workspace)).split("\n")).toContain("vendor/.canopy-monitor");
});
