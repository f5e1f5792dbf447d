import { mkdtemp, readFile, readdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openWorkspaceStore } from "./index.ts";
import { removeTree } from "./remove-tree.ts";

async function runExample(cacheDirectory: string): Promise<string> {
  await using store = await openWorkspaceStore({ cacheDirectory });
  const source = {
    commit: "c1",
    populate: (directory: string) => writeFile(join(directory, "hello.txt"), "hello\n"),
  };
  const project = { projectId: "prj_1", name: "demo" };
  const workspace = await store.createWorkspace({ workspaceId: "att_1", project, source });
  const agent = await workspace.spawn(["sh", "-c", "echo more >> hello.txt"], { env: workspace.env });
  await agent.exited;
  const text = await readFile(join(workspace.readablePath, "hello.txt"), "utf8");
  await workspace.dispose();
  return text;
}

test("the example of the README runs an agent in a workspace", async () => {
  const cacheDirectory = await mkdtemp(join(tmpdir(), "canopy-ws-"));
  try {
    expect(await runExample(cacheDirectory)).toBe("hello\nmore\n");
    expect(await readdir(join(cacheDirectory, "workspaces"))).toEqual([]);
  } finally {
    await removeTree(cacheDirectory);
  }
});
