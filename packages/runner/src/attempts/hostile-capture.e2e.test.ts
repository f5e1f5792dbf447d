import { execFile } from "node:child_process";
import { mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openRepository, readRepositoryIdentity } from "@canopy/git";
import type { Repository } from "@canopy/git";
import { openWorkspaceStore, PROCESS_SETTINGS } from "@canopy/workspace";
import type { Workspace, WorkspaceStore } from "@canopy/workspace";
import { createCheckoutSource } from "../checkout/create-checkout-source.ts";
import { captureWorkspace } from "./capture-workspace.ts";

const execute = promisify(execFile);
const TRIES = 40;
/** Swaps a folder and a link that leads to the same names outside, as fast as can be. */
const SWAP = `
mkdir "d"; symlink $ENV{OUT}, "e";
for (0 .. 19) { open my $f, ">", "d/f$_"; print $f "plain-xxxxxxx\\n"; close $f }
my ($one, $other) = ("d", "e");
$| = 1; print "swapping\\n";
while (1) { syscall(316, -100, $one, -100, $other, 2) }`;

let base = "";
let repository: Repository;
let store: WorkspaceStore;
let commit = "";

async function git(...args: string[]): Promise<string> {
  const identity = ["-c", "user.name=a", "-c", "user.email=a@b.invalid"];
  const { stdout } = await execute("git", [...identity, ...args], { cwd: join(base, "repository") });
  return stdout.trim();
}

beforeAll(async () => {
  base = await realpath(await mkdtemp(join(tmpdir(), "canopy-swap-")));
  await mkdir(join(base, "repository"));
  await mkdir(join(base, "out"));
  for (let index = 0; index < 20; index += 1)
    await writeFile(join(base, "out", `f${index}`), "secret-canary\n");
  await git("init", "-q", "-b", "main");
  await git("commit", "-q", "--allow-empty", "-m", "Start");
  commit = await git("rev-parse", "HEAD");
  repository = openRepository(await readRepositoryIdentity(join(base, "repository")));
  store = await openWorkspaceStore({ cacheDirectory: join(base, "cache") });
});

afterAll(async () => {
  await store[Symbol.asyncDispose]();
  await repository[Symbol.asyncDispose]();
  await rm(base, { recursive: true, force: true });
});

async function attack(name: string): Promise<Workspace> {
  const workspace = await store.createWorkspace({
    workspaceId: name,
    project: { projectId: "prj_swap", name: "swap" },
    source: createCheckoutSource(repository, commit, "main"),
    sandbox: { ...PROCESS_SETTINGS, level: "sandbox", network: "deny" },
  });
  const agent = await workspace.spawn(["perl", "-e", SWAP], {
    env: { ...workspace.env, OUT: join(base, "out") },
  });
  for await (const chunk of agent.stdout) if (Buffer.from(chunk).includes("swapping")) break;
  return workspace;
}

/** How captures of a workspace went: whether one read what is outside, or was led astray so that it failed. */
async function judge(captures: () => Promise<{ readonly tree: string }>): Promise<string> {
  const tree = await captures().then(
    (capture) => capture.tree,
    () => null,
  );
  if (tree === null) return "astray";
  const found = await git("grep", "-c", "secret-canary", tree).catch(() => "");
  return found === "" ? "fine" : "leaked";
}

test.skipIf(process.arch !== "x64")(
  "links that are swapped while a running agent's work is read lead nowhere, for nothing moves meanwhile",
  async () => {
    await using workspace = await attack("swap");
    const paused = new Set<string>();
    const running = new Set<string>();
    for (let tries = 0; tries < TRIES; tries += 1) {
      paused.add(await judge(() => workspace.whilePaused(() => captureWorkspace(repository, workspace))));
      running.add(await judge(() => captureWorkspace(repository, workspace)));
    }
    expect([...paused]).toEqual(["fine"]);
    // The swaps are real: without the pause they are met.
    expect(running.has("astray") || running.has("leaked")).toBe(true);
  },
);
