import { mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openWorkspaceStore } from "../open-workspace-store.ts";
import type { Workspace } from "../workspace.ts";
import { PROCESS_SETTINGS } from "../sandbox/sandbox-settings.ts";
import type { SandboxSettings } from "../sandbox/sandbox-settings.ts";
import { findEngine } from "./find-engine.ts";

// Against a real engine, where there is one and an image with /bin/sh is named.
const image = process.env["CANOPY_TEST_IMAGE"] ?? "";
const socket = process.env["CANOPY_TEST_ENGINE"] ?? null;
const { engine } = await findEngine(socket);

async function run(workspace: Workspace, script: string): Promise<{ output: string; code: number | null }> {
  const handle = await workspace.spawn(["/bin/sh", "-c", script], { env: workspace.env });
  await handle.write("input\n");
  handle.endInput();
  let output = "";
  const collect = async (stream: AsyncIterable<Uint8Array>): Promise<void> => {
    for await (const chunk of stream) output += Buffer.from(chunk).toString("utf8");
  };
  const [exit] = await Promise.all([handle.exited, collect(handle.stdout), collect(handle.stderr)]);
  return { output: output.trim(), code: exit.code };
}

test("a workspace in a container of a real engine", async (context) => {
  const isPossible = engine !== null && image !== "";
  context.skip(!isPossible, "no container engine, or no image in CANOPY_TEST_IMAGE");
  if (!isPossible) return;
  const base = await realpath(await mkdtemp(join(tmpdir(), "canopy-engine-")));
  await writeFile(join(base, "secret"), "canary");
  const store = await openWorkspaceStore({ cacheDirectory: join(base, "cache") });
  try {
    const settings: SandboxSettings = {
      ...PROCESS_SETTINGS,
      level: "container",
      network: "deny",
      container: { image, engine: socket },
      limits: { memoryBytes: 256 * 2 ** 20, processCount: 60, openFileCount: 256 },
    };
    const workspace = await store.createWorkspace({
      workspaceId: "real",
      project: { projectId: "prj_real", name: "real" },
      source: { commit: "c", populate: (directory) => writeFile(join(directory, "file"), "content\n") },
      sandbox: settings,
    });
    expect(await run(workspace, "cat file -; pwd; echo bad >&2; echo work > result; exit 3")).toEqual({
      output: `content\ninput\n${workspace.path}\nbad`,
      code: 3,
    });
    expect(await run(workspace, `cat result; cat ${base}/secret`)).toMatchObject({ code: 1 });
    expect((await run(workspace, "grep -E 'CapEff|NoNewPrivs' /proc/self/status")).output).toMatch(
      /CapEff:\s0000000000000000\nNoNewPrivs:\s1/,
    );
    expect((await run(workspace, "(echo x > /bin/x) 2>/dev/null || echo read-only; ulimit -n")).output).toBe(
      "read-only\n256",
    );
    const sleeper = await workspace.spawn(
      ["/bin/sh", "-c", "trap '' TERM; echo up; while :; do sleep 1; done"],
      {
        env: workspace.env,
      },
    );
    for await (const chunk of sleeper.stdout) if (Buffer.from(chunk).includes("up")) break;
    expect((await sleeper.stop(100)).signal).toBe("SIGKILL");
    await workspace.writeFile("inside.txt", "inside\n");
    expect((await run(workspace, "cat inside.txt")).output).toBe("inside");
    await workspace.dispose();
    const left = await engine.ask("GET", "/containers/json?all=true");
    expect(JSON.stringify(left.value)).not.toContain("canopy-real");
  } finally {
    await store[Symbol.asyncDispose]();
    await rm(base, { recursive: true, force: true });
  }
});
