import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, readFile, readdir, realpath, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type { ChildProcessHandle } from "@canopy/protocol";
import { expect, test } from "vitest";
import type { CheckoutSource } from "./layer-store.ts";
import { openWorkspaceStore } from "./open-workspace-store.ts";
import { findMarked, identifyProcess, isRunning, readProcessStat, waitUntil } from "./process-table.ts";
import { nameHalfMade } from "./stale-workspaces.ts";
import { removeTree } from "./remove-tree.ts";
import { CERTIFICATE_VARIABLES } from "./workspace-environment.ts";
import type { BackendName } from "./workspace-metadata.ts";
import type { CreateWorkspaceOptions, WorkspaceStore } from "./workspace-store.ts";
import type { Workspace } from "./workspace.ts";

const run = promisify(execFile);
const IS_ROOT = process.getuid?.() === 0;
const OVERLAYS: BackendName[] = IS_ROOT ? ["overlay", "overlay-userns"] : ["overlay-userns"];
const ALL: BackendName[] = [...OVERLAYS, "worktree", "copy"];
const PROJECT = { projectId: "prj_test", name: "my repo" };

const COMMITS: Record<string, Record<string, string>> = {
  c1: { "README.md": "one\n", "src/a.ts": "a\n", "src/b.ts": "b\n", "deep/er/x": "x\n" },
  c2: { "README.md": "two\n", "src/a.ts": "a\n", "deep/y": "y\n" },
};

interface Fixture extends AsyncDisposable {
  readonly root: string;
  readonly cache: string;
  readonly store: WorkspaceStore;
  readonly populated: string[];
  source(commit: string): CheckoutSource;
  create(workspaceId: string, options?: Partial<CreateWorkspaceOptions>): Promise<Workspace>;
}

async function fill(directory: string, files: Record<string, string>): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(directory, path)), { recursive: true });
    await writeFile(join(directory, path), content);
  }
}

async function setUp(backend: BackendName, root?: string): Promise<Fixture> {
  const base = root ?? (await realpath(await mkdtemp(join(tmpdir(), "canopy-ws-"))));
  const cache = join(base, "cache, with:odd\\name");
  const store = await openWorkspaceStore({ cacheDirectory: cache, backend, keepBases: 1, keepDeltas: 1 });
  const populated: string[] = [];
  const source = (commit: string): CheckoutSource => ({
    commit,
    async populate(directory): Promise<void> {
      populated.push(commit);
      await fill(directory, COMMITS[commit] ?? { commit });
    },
  });
  return {
    root: base,
    cache,
    store,
    populated,
    source,
    create: (workspaceId, options) =>
      store.createWorkspace({ workspaceId, project: PROJECT, source: source("c1"), ...options }),
    async [Symbol.asyncDispose](): Promise<void> {
      await store[Symbol.asyncDispose]();
      if (root === undefined) await removeTree(base);
    },
  };
}

async function textOf(stream: AsyncIterable<Uint8Array>): Promise<string> {
  let text = "";
  for await (const chunk of stream) text += Buffer.from(chunk).toString("utf8");
  return text;
}

async function shell(workspace: Workspace, script: string): Promise<string> {
  const handle = await workspace.spawn(["sh", "-c", script], { env: workspace.env });
  handle.endInput();
  const [output, errors, exit] = await Promise.all([
    textOf(handle.stdout),
    textOf(handle.stderr),
    handle.exited,
  ]);
  expect({ errors, exit }).toEqual({ errors: "", exit: { code: 0, signal: null } });
  return output.trim();
}

/** The first line that a process prints. */
async function firstLine(handle: ChildProcessHandle): Promise<string> {
  let text = "";
  for await (const chunk of handle.stdout) {
    text += Buffer.from(chunk).toString("utf8");
    if (text.includes("\n")) break;
  }
  return text.split("\n")[0] ?? "";
}

function mountsBelow(path: string): string[] {
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .filter((line) => line.includes(path));
}

test.each(ALL)("a workspace has the commit's files, and changes in it stay in it (%s)", async (backend) => {
  await using fixture = await setUp(backend);
  const one = await fixture.create("one");
  const two = await fixture.create("two");
  expect(await shell(one, "pwd; cat README.md; ls")).toBe(`${one.path}\none\nREADME.md\ndeep\nsrc`);
  await shell(one, "echo changed > README.md; rm -r src; mkdir src; echo n > src/new; rm deep/er/x");
  expect(await shell(two, "cat README.md src/a.ts deep/er/x; ls src")).toBe("one\na\nx\na.ts\nb.ts");
  expect((await readdir(join(one.readablePath, "src"))).sort()).toEqual(["new"]);
  expect(await readFile(join(one.readablePath, "README.md"), "utf8")).toBe("changed\n");
  expect(one.upperDirectory === null).toBe(!OVERLAYS.includes(backend));
  await one.dispose();
  await one.dispose();
  await two.dispose();
  expect(await readdir(join(fixture.cache, "workspaces"))).toEqual([]);
  expect(mountsBelow("canopy-ws-")).toEqual([]);
  const third = await fixture.create("one");
  expect(await shell(third, "cat README.md; ls src")).toBe("one\na.ts\nb.ts");
});

test.each(OVERLAYS)("workspaces of a project share a path and a checkout (%s)", async (backend) => {
  await using fixture = await setUp(backend);
  const all = await Promise.all(["a", "b", "c"].map((id) => fixture.create(id)));
  expect(new Set(all.map((workspace) => workspace.path)).size).toBe(1);
  expect(fixture.populated).toEqual(["c1"]);
  expect(await readdir(all[0]!.path)).toEqual([]);
});

test.each(ALL)("exit codes and signals come through, input and output flow at once (%s)", async (backend) => {
  await using fixture = await setUp(backend);
  const workspace = await fixture.create("one");
  const exitOf = async (script: string): Promise<unknown> => {
    const handle = await workspace.spawn(["sh", "-c", script], { env: workspace.env });
    return await handle.exited;
  };
  expect(await exitOf("exit 7")).toEqual({ code: 7, signal: null });
  expect(await exitOf("exit 143")).toEqual({ code: 143, signal: null });
  expect(await exitOf("kill -TERM $$")).toEqual({ code: null, signal: "SIGTERM" });
  const echo = await workspace.spawn(["cat"], { env: workspace.env });
  await echo.write("hello\n");
  expect(await firstLine(echo)).toBe("hello");
  echo.signal("SIGINT");
  expect(await echo.exited).toEqual({ code: null, signal: "SIGINT" });
  await echo.write("too late");
});

test.each(ALL)("stop asks first, then kills, also those in sessions of their own (%s)", async (backend) => {
  await using fixture = await setUp(backend);
  const workspace = await fixture.create("one");
  const polite = await workspace.spawn(
    ["sh", "-c", "trap 'exit 5' TERM; echo ready; while :; do sleep 0.01; done"],
    {
      env: workspace.env,
    },
  );
  await firstLine(polite);
  expect(await polite.stop(5_000)).toEqual({ code: 5, signal: null });
  const script =
    "trap '' TERM; setsid sh -c 'trap \"\" TERM; sleep 1000' & (setsid sleep 1001 &) ; echo ready; sleep 1002";
  const stubborn = await workspace.spawn(["sh", "-c", script], { env: workspace.env });
  await firstLine(stubborn);
  // A process that is just being executed has no environment to read for a moment.
  const isSeen = async (): Promise<boolean> => (await findMarked("CANOPY_ATTEMPT=one")).length >= 3;
  expect(await waitUntil(isSeen, 5_000)).toBe(true);
  expect(await stubborn.stop(20)).toEqual({ code: null, signal: "SIGKILL" });
  expect(await findMarked("CANOPY_ATTEMPT=one")).toEqual([]);
  expect(await stubborn.stop(20)).toEqual({ code: null, signal: "SIGKILL" });
  expect(await shell(workspace, "echo still usable")).toBe("still usable");
});

test.each(OVERLAYS)(
  "a process that hides from everything dies with its tree, and no zombie stays (%s)",
  async (backend) => {
    await using fixture = await setUp(backend);
    const workspace = await fixture.create("one");
    // No marker, no parent, no group: only the process namespace still knows it.
    const handle = await workspace.spawn(
      [
        "sh",
        "-c",
        "(env -i setsid sh -c 'sleep 1000' >/dev/null 2>&1 &); (sleep 0.01 &); echo ready; read _",
      ],
      { env: workspace.env },
    );
    await firstLine(handle);
    const proc = `/proc/${workspace.enter[2] ?? ""}/root/proc`;
    const names = async (): Promise<string[]> => {
      const pids = (await readdir(proc)).filter((name) => /^\d+$/.test(name));
      const stats = await Promise.all(pids.map((pid) => readProcessStat(Number(pid), proc)));
      return stats.map((info) => `${info?.state === "Z" ? "zombie " : ""}${info?.name ?? ""}`).sort();
    };
    expect(await waitUntil(async () => (await names()).join() === "cat,sh,sh,sh,sleep", 5_000)).toBe(true);
    await handle.stop(0);
    expect(await waitUntil(async () => (await names()).join() === "cat,sh", 5_000)).toBe(true);
  },
);

test.each(OVERLAYS)("stopping one of two processes spares the other (%s)", async (backend) => {
  await using fixture = await setUp(backend);
  const workspace = await fixture.create("one");
  const first = await workspace.spawn(["sh", "-c", "echo ready; setsid sleep 1000"], { env: workspace.env });
  const second = await workspace.spawn(["cat"], { env: workspace.env });
  await firstLine(first);
  await first.stop(0);
  await second.write("alive\n");
  expect(await firstLine(second)).toBe("alive");
  await workspace.stopProcesses();
  expect(await second.exited).toEqual({ code: null, signal: "SIGKILL" });
});

test("a process runs as the person, who cannot undo the mount, in a private home", async () => {
  await using fixture = await setUp("overlay-userns");
  const workspace = await fixture.create("one");
  const script =
    'id -u; printf "%s\\n" "$HOME" "$TMPDIR"; touch "$HOME/h" "$TMPDIR/t"; umount . 2>/dev/null && echo undone; cat README.md';
  expect(await shell(workspace, script)).toBe(
    `${process.getuid?.() ?? 0}\n${workspace.homeDirectory}\n${workspace.tmpDirectory}\none`,
  );
  expect(dirname(workspace.homeDirectory)).toBe(dirname(workspace.tmpDirectory));
  expect(workspace.homeDirectory.startsWith(workspace.path)).toBe(false);
});

test("bash with a pipe of Node's for its input runs BASH_ENV, as any other", async () => {
  await using fixture = await setUp("worktree");
  const workspace = await fixture.create("one", { environment: {} });
  const script = 'echo "echo ran" > "$HOME/env"; BASH_ENV="$HOME/env" bash -c "cat; :"';
  expect(await shell(workspace, script)).toBe("ran");
});

test("the environment is an allow-list", async () => {
  process.env["CANOPY_TEST_SECRET"] = "s";
  process.env["CANOPY_TEST_NAMED"] = "n";
  process.env["LC_TEST"] = "l";
  process.env["LC_TIME"] = "C";
  try {
    await using fixture = await setUp("worktree");
    const workspace = await fixture.create("one", {
      portCount: 2,
      environment: { inherit: ["CANOPY_TEST_NAMED"], set: { EXTRA: "e" } },
    });
    const inherited = ["LANG", "PATH", "TERM", "TZ", ...CERTIFICATE_VARIABLES].filter(
      (name) => process.env[name] !== undefined,
    );
    const locale = Object.keys(process.env).filter((name) => name.startsWith("LC_") && name !== "LC_TEST");
    const own = [
      "CANOPY_ATTEMPT",
      "CANOPY_WORKSPACE_PORT",
      "CANOPY_WORKSPACE_PORTS",
      "CANOPY_TEST_NAMED",
      "CANOPY_WORKSPACE",
      "EXTRA",
      "HOME",
      "SHLVL",
      "TEMP",
      "TMP",
      "TMPDIR",
    ];
    expect(Object.keys(workspace.env).sort()).toEqual([...inherited, ...locale, ...own].sort());
    expect(workspace.env["CANOPY_WORKSPACE_PORTS"]).toBe(workspace.ports.join(","));
    const seen = (await shell(workspace, "env")).split("\n").map((line) => line.split("=")[0] ?? "");
    const expected = new Set([
      ...Object.keys(workspace.env),
      "CANOPY_PROCESS",
      "OLDPWD",
      "PWD",
      "SHLVL",
      "_",
    ]);
    expect(seen.filter((name) => !expected.has(name))).toEqual([]);
  } finally {
    for (const name of ["CANOPY_TEST_SECRET", "CANOPY_TEST_NAMED", "LC_TEST", "LC_TIME"])
      delete process.env[name];
  }
});

test("port blocks are free, neighbouring and not handed out twice", async () => {
  await using fixture = await setUp("worktree");
  const all = await Promise.all(["a", "b", "c"].map((id) => fixture.create(id, { portCount: 3 })));
  const ports = all.flatMap((workspace) => workspace.ports);
  expect(new Set(ports).size).toBe(9);
  for (const { ports: block } of all) expect(block).toEqual([0, 1, 2].map((offset) => block[0]! + offset));
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(ports[0], "127.0.0.1", resolve));
  await all[0]!.dispose();
  const next = await fixture.create("d", { portCount: 3 });
  expect(next.ports).not.toContain(ports[0]);
  await new Promise((resolve) => server.close(resolve));
});

test.each(ALL)("files and folders are brought along, and the originals are safe (%s)", async (backend) => {
  await using fixture = await setUp(backend);
  const from = join(fixture.root, "checkout");
  await fill(from, {
    ".env": "A=1\n",
    "conf/local.json": "{}",
    "README.md": "mine\n",
    "node_modules/p/index.js": "p\n",
    "src/x": "x",
  });
  await symlink("node_modules/p", join(from, "link"));
  const workspace = await fixture.create("one", {
    bring: {
      from,
      files: [".env", "conf/local.json", "README.md", "missing", "link"],
      directories: ["node_modules", "src", "nowhere"],
    },
  });
  const isMounted = OVERLAYS.includes(backend);
  expect(workspace.brought).toEqual([
    { path: "node_modules", how: isMounted ? "mounted" : "copied" },
    { path: ".env", how: "copied" },
    { path: "conf/local.json", how: "copied" },
    { path: "link", how: "copied" },
  ]);
  expect(await shell(workspace, "cat .env README.md node_modules/p/index.js link/index.js; ls src")).toBe(
    "A=1\none\np\np\na.ts\nb.ts",
  );
  await shell(workspace, "echo changed > node_modules/p/index.js; rm .env; echo new > node_modules/q");
  expect(await readFile(join(from, "node_modules/p/index.js"), "utf8")).toBe("p\n");
  expect(await readdir(join(from, "node_modules"))).toEqual(["p"]);
  expect(await readFile(join(from, ".env"), "utf8")).toBe("A=1\n");
});

test("nothing outside the checkout can be brought along", async () => {
  await using fixture = await setUp("worktree");
  for (const path of ["../x", "/etc/passwd", ".git/config", "a/../../x", "."]) {
    const options = { bring: { from: fixture.root, files: [path] } };
    await expect(fixture.create("one", options), path).rejects.toMatchObject({ code: "workspace.failed" });
  }
  expect(await readdir(join(fixture.cache, "workspaces"))).toEqual([]);
});

test.each(ALL)("a setup command runs inside, and a failing one leaves nothing (%s)", async (backend) => {
  await using fixture = await setUp(backend);
  const good = await fixture.create("good", { setupCommand: "echo made > made; pwd" });
  expect(await readFile(join(good.readablePath, "made"), "utf8")).toBe("made\n");
  await expect(
    fixture.create("bad", { setupCommand: "echo out; echo err >&2; exit 3" }),
  ).rejects.toMatchObject({
    code: "workspace.failed",
    data: { exitCode: 3, output: expect.stringMatching(/^(?:out\nerr|err\nout)\n$/) },
  });
  const controller = new AbortController();
  const slow = fixture.create("slow", {
    setupCommand: 'touch "$HOME/began"; sleep 1000',
    signal: controller.signal,
  });
  await waitUntil(() => existsSync(join(fixture.cache, "workspaces/slow/home/began")), 10_000);
  controller.abort();
  await expect(slow).rejects.toMatchObject({ code: "cancelled" });
  expect(await findMarked("CANOPY_ATTEMPT=slow")).toEqual([]);
  expect(await readdir(join(fixture.cache, "workspaces"))).toEqual(["good"]);
});

test("a missing program, a missing folder and a used id are told apart", async () => {
  await using fixture = await setUp(OVERLAYS[0]!);
  const workspace = await fixture.create("one");
  const { env } = workspace;
  await expect(workspace.spawn(["no-such-program"], { env })).rejects.toMatchObject({
    code: "agent.not-found",
  });
  await expect(workspace.spawn(["./README.md"], { env })).rejects.toMatchObject({ code: "agent.not-found" });
  await expect(workspace.spawn(["sh"], { env, cwd: "/nowhere" })).rejects.toMatchObject({
    code: "workspace.failed",
  });
  await expect(fixture.create("one")).rejects.toMatchObject({ code: "workspace.failed" });
  await expect(fixture.create("../one")).rejects.toMatchObject({ code: "workspace.failed" });
  expect(await shell(workspace, "echo unharmed")).toBe("unharmed");
  await workspace.dispose();
  await expect(workspace.spawn(["sh"], { env })).rejects.toMatchObject({ code: "workspace.failed" });
});

test("a failing checkout leaves nothing, and the next try starts afresh", async () => {
  await using fixture = await setUp(OVERLAYS[0]!);
  const source: CheckoutSource = {
    commit: "c1",
    async populate(directory): Promise<void> {
      await writeFile(join(directory, "half"), "half");
      throw new Error("cut short");
    },
  };
  await expect(fixture.create("one", { source })).rejects.toMatchObject({ code: "workspace.failed" });
  await fixture.store[Symbol.asyncDispose]();
  expect(await readdir(join(fixture.cache, "projects", PROJECT.projectId, "layers"))).toEqual([]);
  expect(await readdir(join(fixture.cache, "workspaces"))).toEqual([]);
  const workspace = await fixture.create("one");
  expect(await shell(workspace, "ls")).toBe("README.md\ndeep\nsrc");
});

test("folders that a dead process was about to make are removed at once, and those of living ones stay", async () => {
  await using fixture = await setUp(OVERLAYS[0]!);
  const workspaces = join(fixture.cache, "workspaces");
  const self = await identifyProcess(process.pid);
  const names = [nameHalfMade({ pid: process.pid, startedAt: "earlier" }), ".new-cd", nameHalfMade(self!)];
  for (const name of names) await mkdir(join(workspaces, name), { recursive: true });
  await fixture.store.recover();
  expect((await readdir(workspaces)).sort()).toEqual(names.slice(1).sort());
});

test.each(OVERLAYS)(
  "a newer commit is a small layer on the older one, and unused layers go (%s)",
  async (backend) => {
    await using fixture = await setUp(backend);
    const layers = join(fixture.cache, "projects", PROJECT.projectId, "layers");
    const script = "echo two > README.md; rm -r deep; mkdir deep; echo y > deep/y; rm src/b.ts";
    const source: CheckoutSource = {
      ...fixture.source("c2"),
      advance: (from) =>
        from === "c1" ? { commands: [["sh", "-c", script]], env: { PATH: process.env["PATH"] ?? "" } } : null,
    };
    const old = await fixture.create("old");
    const before = await shell(old, "find . -type f | sort | xargs cat");
    const young = await fixture.create("young", { source });
    expect(await shell(young, "cat README.md deep/y; find . -type f | sort")).toBe(
      "two\ny\n./README.md\n./deep/y\n./src/a.ts",
    );
    expect(await shell(old, "find . -type f | sort | xargs cat")).toBe(before);
    expect(fixture.populated).toEqual(["c1"]);
    const flavour = backend === "overlay" ? "trusted" : "user";
    expect((await readdir(layers)).sort()).toEqual(["c1-base", `c2-delta-${flavour}`]);
    await old.dispose();
    await shell(young, "rm -r deep; mkdir deep");
    expect(await readdir(join(young.readablePath, "deep"))).toEqual([]);
    await young.dispose();
    await (await fixture.create("other", { source: fixture.source("c3") })).dispose();
    await (await fixture.create("another", { source: fixture.source("c4") })).dispose();
    await fixture.store[Symbol.asyncDispose]();
    expect((await readdir(layers)).sort()).toEqual(["c1-base", `c2-delta-${flavour}`, "c4-base"]);
  },
);

test("a checkout that cannot be advanced is made from nothing", async () => {
  await using fixture = await setUp(OVERLAYS[0]!);
  const source: CheckoutSource = {
    ...fixture.source("c2"),
    advance: () => ({ commands: [["false"]], env: { PATH: process.env["PATH"] ?? "" } }),
  };
  await fixture.create("old");
  const young = await fixture.create("young", { source });
  expect(await shell(young, "cat README.md")).toBe("two");
  expect(fixture.populated).toEqual(["c1", "c2"]);
});

test.each(OVERLAYS)("the lower checkout never changes, whatever is done above it (%s)", async (backend) => {
  await using fixture = await setUp(backend);
  const workspace = await fixture.create("one");
  const base = join(fixture.cache, "projects", PROJECT.projectId, "layers", "c1-base", "files");
  const digest = async (): Promise<string> =>
    (
      await run(
        "sh",
        ["-c", "find . -printf '%p %m %T@ %C@ %s %i\\n' | sort; find . -type f | sort | xargs cat"],
        { cwd: base },
      )
    ).stdout;
  const before = await digest();
  await shell(
    workspace,
    "chmod 700 src; echo x >> README.md; mv src moved; rm -rf deep; touch -d 2001-01-01 moved/a.ts; ln moved/a.ts hard; ls -R >/dev/null",
  );
  expect(await digest()).toBe(before);
});

test.each(OVERLAYS)(
  "a git checkout advanced as a layer is clean and is the newer tree (%s)",
  async (backend) => {
    await using fixture = await setUp(backend);
    const origin = join(fixture.root, "origin");
    await mkdir(origin);
    const env = {
      PATH: process.env["PATH"] ?? "",
      HOME: "/nonexistent",
      GIT_AUTHOR_NAME: "A",
      GIT_AUTHOR_EMAIL: "a@b",
      GIT_COMMITTER_NAME: "A",
      GIT_COMMITTER_EMAIL: "a@b",
    };
    const git = async (cwd: string, ...args: string[]): Promise<string> =>
      (await run("git", args, { cwd, env })).stdout.trim();
    await git(origin, "init", "-q", "-b", "main");
    await fill(origin, COMMITS["c1"]!);
    await git(origin, "add", "-A");
    await git(origin, "commit", "-q", "-m", "c1");
    const c1 = await git(origin, "rev-parse", "HEAD");
    await git(origin, "rm", "-q", "-r", "deep", "src/b.ts");
    await fill(origin, COMMITS["c2"]!);
    await git(origin, "add", "-A");
    await git(origin, "commit", "-q", "-m", "c2");
    const c2 = await git(origin, "rev-parse", "HEAD");
    const source = (commit: string): CheckoutSource => ({
      commit,
      async populate(directory): Promise<void> {
        await git(directory, "clone", "-q", "--shared", "--no-checkout", origin, ".");
        await git(directory, "reset", "-q", "--hard", commit);
      },
      advance: (from) => ({
        commands: [
          ["git", "read-tree", "-m", "-u", from, commit],
          ["git", "update-ref", "refs/heads/main", commit],
        ],
        env,
      }),
      prime: { commands: [["git", "status", "--porcelain"]], env },
    });
    await fixture.create("old", { source: source(c1) });
    const young = await fixture.create("young", { source: source(c2) });
    expect(await shell(young, "git status --porcelain; git rev-parse HEAD; git add -A; git write-tree")).toBe(
      `${c2}\n${await git(origin, "rev-parse", "HEAD^{tree}")}`,
    );
  },
);

test.each(ALL)(
  "workspaces of a store that is closed are found by the next one, and only once (%s)",
  async (backend) => {
    await using fixture = await setUp(backend);
    const first = await fixture.create("one", {
      metadata: { task: "t" },
      bring: { from: fixture.root, files: [] },
    });
    await shell(first, "echo work > work.txt; rm src/a.ts");
    await fixture.store[Symbol.asyncDispose]();
    await using one = await openWorkspaceStore({ cacheDirectory: fixture.cache, backend });
    await using two = await openWorkspaceStore({ cacheDirectory: fixture.cache, backend });
    const found = (await Promise.all([one.recover(), two.recover()])).flat();
    expect(
      found.map(({ workspaceId, commit, metadata, isComplete, isKept }) => ({
        workspaceId,
        commit,
        metadata,
        isComplete,
        isKept,
      })),
    ).toEqual([
      { workspaceId: "one", commit: "c1", metadata: { task: "t" }, isComplete: true, isKept: true },
    ]);
    const again = await found[0]!.open();
    expect(await shell(again, "cat work.txt; ls src")).toBe("work\nb.ts");
    await again.dispose();
    expect([await one.recover(), await readdir(join(fixture.cache, "workspaces"))]).toEqual([[], []]);
  },
);

test("many recoveries at once share the workspaces out, each to one", async () => {
  await using fixture = await setUp("worktree");
  const ids = Array.from({ length: 12 }, (_value, index) => `ws-${index}`);
  for (const id of ids) await fixture.create(id);
  await fixture.store[Symbol.asyncDispose]();
  await using stack = new AsyncDisposableStack();
  const stores = await Promise.all(
    ids.map(() => openWorkspaceStore({ cacheDirectory: fixture.cache, backend: "worktree" })),
  );
  for (const store of stores) stack.use(store);
  const found = (await Promise.all(stores.map((store) => store.recover()))).flat();
  expect(found.map((each) => each.workspaceId).sort()).toEqual(ids.sort());
});

test("removal copes with folders that nobody may enter", async () => {
  await using fixture = await setUp(OVERLAYS.at(-1)!);
  const workspace = await fixture.create("one");
  await shell(workspace, "mkdir -p closed/in; touch closed/in/file; chmod 000 closed/in; chmod 555 closed");
  await workspace.dispose();
  await fixture.store[Symbol.asyncDispose]();
  expect(await readdir(join(fixture.cache, "trash"))).toEqual([]);
});

test("a process is known by its start, not only by its number", async () => {
  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  const start = (await readProcessStat(process.pid))?.startTicks ?? "";
  expect(await isRunning({ pid: process.pid, startedAt: `${boot}/${start}` })).toBe(true);
  expect(await isRunning({ pid: process.pid, startedAt: `${boot}/1${start}` })).toBe(false);
});
