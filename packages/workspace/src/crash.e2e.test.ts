import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { chown, mkdtemp, realpath } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { readProcessStat, waitUntil } from "./process-table.ts";
import { removeTree } from "./remove-tree.ts";

const run = promisify(execFile);
const SCENARIO = join(import.meta.dirname, "crash-scenario.ts");
const NOBODY = 65_534;
const IS_ROOT = process.getuid?.() === 0;
const USERS = IS_ROOT ? (["root", "nobody"] as const) : (["self"] as const);
const NODE = process.execPath;

function asUser(user: string): string[] {
  const id = String(NOBODY);
  return user === "nobody" ? ["setpriv", "--reuid", id, "--regid", id, "--clear-groups"] : [];
}

async function makeCache(user: string): Promise<string> {
  const directory = await realpath(await mkdtemp(join(tmpdir(), "canopy-crash-")));
  if (user === "nobody") await chown(directory, NOBODY, NOBODY);
  return directory;
}

async function isGone(pid: number): Promise<boolean> {
  const stat = await readProcessStat(pid);
  return stat === null || stat.state === "Z";
}

async function countSleepers(): Promise<number> {
  const output = await run("ps", ["-eo", "args"]);
  return output.stdout.split("\n").filter((line) => line === "sleep 1000").length;
}

interface Daemon {
  readonly backend: string;
  readonly pids: number[];
}

async function startAndKill(user: string, cache: string): Promise<Daemon> {
  const [program, ...args] = [...asUser(user), NODE, SCENARIO, "daemon", cache];
  const daemon = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await once(daemon.stdout, "data");
  daemon.kill("SIGKILL");
  await once(daemon, "exit");
  return JSON.parse(String(line)) as Daemon;
}

test.each(USERS)("nothing survives a SIGKILL of the daemon but the agents' work (%s)", async (user) => {
  const cache = await makeCache(user);
  try {
    const before = await countSleepers();
    const { backend, pids } = await startAndKill(user, cache);
    expect(backend).toBe(user === "root" ? "overlay" : "overlay-userns");
    const allGone = (): Promise<boolean> =>
      Promise.all(pids.map(isGone)).then((answers) => answers.every(Boolean));
    expect(await waitUntil(allGone, 5_000)).toBe(true);
    expect(await waitUntil(async () => (await countSleepers()) === before, 5_000)).toBe(true);
    expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(cache);
    const [program, ...args] = [...asUser(user), NODE, SCENARIO, "recover", cache];
    const recovery = JSON.parse((await run(program, args)).stdout) as unknown;
    const result = (id: string): unknown => ({
      metadata: { attempt: id },
      isComplete: true,
      result: `work of ${id}`,
    });
    expect(recovery).toEqual({
      results: ["att_1", "att_2", "att_3"].map(result),
      left: { workspaces: [], groups: [], trash: [], marked: [] },
    });
  } finally {
    await removeTree(cache);
  }
});

test.skipIf(!IS_ROOT)("a full disk is told as such, and what was half-made is removed", async () => {
  const cache = await makeCache("root");
  // The small file system lives in a mount namespace of the program that uses it.
  const program = `
    import { openWorkspaceStore } from ${JSON.stringify(join(import.meta.dirname, "index.ts"))};
    import { readdirSync, writeFileSync } from "node:fs";
    const store = await openWorkspaceStore({ cacheDirectory: ${JSON.stringify(cache)} });
    const populate = async (directory) => writeFileSync(directory + "/big", Buffer.alloc(16 << 20));
    const options = { workspaceId: "one", project: { projectId: "p", name: "n" }, source: { commit: "c", populate } };
    const code = await store.createWorkspace(options).catch((error) => error.code);
    await store[Symbol.asyncDispose]();
    console.log(JSON.stringify([code, readdirSync(${JSON.stringify(join(cache, "workspaces"))}), readdirSync(${JSON.stringify(join(cache, "projects/p/layers"))})]));`;
  const script = 'mount -t tmpfs -o size=8m tmpfs "$1" && exec "$2" --input-type=module -e "$3"';
  try {
    const output = await run("unshare", ["--mount", "sh", "-c", script, "sh", cache, NODE, program]);
    expect(JSON.parse(output.stdout)).toEqual(["disk.full", [], []]);
  } finally {
    await removeTree(cache);
  }
});
