import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openWorkspaceStore } from "../open-workspace-store.ts";
import type { WorkspaceStore } from "../workspace-store.ts";
import type { Workspace } from "../workspace.ts";
import { PROCESS_SETTINGS } from "../sandbox/sandbox-settings.ts";
import type { SandboxSettings } from "../sandbox/sandbox-settings.ts";
import { createContainerProvider } from "./container-provider.ts";
import { readOwnRlimits } from "./container-limits.ts";
import { findEngine } from "./find-engine.ts";
import { splitStreams } from "./split-streams.ts";
import { startFakeEngine } from "./test-support/fake-engine.ts";
import type { FakeEngine } from "./test-support/fake-engine.ts";

// The engine is a fake that answers as the documentation says: nothing here has met a real one.
let base = "";
let engine: FakeEngine;
let store: WorkspaceStore;

beforeEach(async () => {
  base = await realpath(await mkdtemp(join(tmpdir(), "canopy-box-")));
  engine = await startFakeEngine(join(base, "engine.sock"));
  store = await openWorkspaceStore({ cacheDirectory: join(base, "cache"), backend: "copy" });
});

afterEach(async () => {
  await store[Symbol.asyncDispose]();
  await engine[Symbol.asyncDispose]();
  await rm(base, { recursive: true, force: true });
});

async function create(
  settings: Partial<SandboxSettings> = {},
  image: string | null = "tools:1",
): Promise<Workspace> {
  return await store.createWorkspace({
    workspaceId: "box",
    project: { projectId: "prj_box", name: "box" },
    source: { commit: "c", populate: (directory) => writeFile(join(directory, "file"), "content\n") },
    sandbox: {
      ...PROCESS_SETTINGS,
      level: "container",
      network: "deny",
      container: { image, engine: engine.socketPath },
      ...settings,
    },
  });
}

async function read(stream: AsyncIterable<Uint8Array>): Promise<string> {
  let text = "";
  for await (const chunk of stream) text += Buffer.from(chunk).toString("utf8");
  return text;
}

test("a workspace's container has its folders and limits, and nothing else of the machine", async () => {
  await mkdir(join(base, "objects"));
  await using workspace = await create({
    readOnly: [join(base, "objects"), "/usr/bin", "/etc/shadow"],
    limits: {
      memoryBytes: 2 ** 30,
      processCount: 100,
      cpuCount: 1.5,
      openFileCount: 256,
      diskBytes: 2 ** 20,
    },
  });
  expect([workspace.sandboxLevel, workspace.backend]).toEqual(["container", "copy"]);
  const [container] = engine.containers.values();
  const user = `${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`;
  expect(container?.name).toMatch(/^canopy-box-[0-9a-f]{6}$/);
  expect(container?.description).toEqual({
    Image: "tools:1",
    Entrypoint: ["/bin/sh", "-c", "while :; do sleep 3600 & wait $!; done"],
    User: user,
    WorkingDir: workspace.path,
    Labels: { "canopy.workspace": "box" },
    HostConfig: {
      Binds: [
        `${workspace.path}:${workspace.path}`,
        `${workspace.homeDirectory}:${workspace.homeDirectory}`,
        `${workspace.tmpDirectory}:${workspace.tmpDirectory}`,
        `${join(base, "objects")}:${join(base, "objects")}:ro`,
      ],
      NetworkMode: "none",
      ReadonlyRootfs: true,
      Tmpfs: { "/tmp": "size=256m,mode=1777", "/run": "size=1m" },
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges"],
      IpcMode: "private",
      Memory: 2 ** 30,
      MemorySwap: 2 ** 30,
      PidsLimit: 100,
      NanoCpus: 1_500_000_000,
    },
  });
  // Those of each process are set by the shell that starts it.
  const handle = await workspace.spawn(["sh", "-c", "ulimit -Hn; ulimit -Hf; ulimit -Hc"], {
    env: workspace.env,
  });
  handle.endInput();
  expect(await read(handle.stdout)).toBe("256\n2048\n0\n");
});

test("where the engine's own rlimits are refused, the container gets those of this process", async () => {
  const socketPath = join(base, "strict.sock");
  await using strict = await startFakeEngine(socketPath, { needsRlimits: true });
  await using _workspace = await create({ container: { image: "a", engine: socketPath } });
  const [container] = strict.containers.values();
  expect([strict.containers.size, container?.description.HostConfig["Ulimits"]]).toEqual([
    1,
    await readOwnRlimits(),
  ]);
});

test("processes get their input, environment and folder, and their streams and exit come back apart", async () => {
  await using workspace = await create();
  const script = 'cat file; cat; echo "$SAID ${PATH:+has a path}"; pwd; echo problem >&2; exit 7';
  const handle = await workspace.spawn(["sh", "-c", script], { env: { ...workspace.env, SAID: "hello" } });
  await handle.write("from outside\n");
  handle.endInput();
  const [stdout, stderr, exit] = await Promise.all([read(handle.stdout), read(handle.stderr), handle.exited]);
  expect({ stdout, stderr, exit }).toEqual({
    stdout: `content\nfrom outside\nhello has a path\n${workspace.path}\n`,
    stderr: "problem\n",
    exit: { code: 7, signal: null },
  });
});

test("a process that is stopped is asked first and killed then, and the container goes with the workspace", async () => {
  const workspace = await create();
  const script = "trap 'echo asked' TERM; echo ready; while :; do sleep 0.05; done";
  const handle = await workspace.spawn(["sh", "-c", script], { env: workspace.env });
  let output = "";
  const reading = (async (): Promise<void> => {
    for await (const chunk of handle.stdout) output += Buffer.from(chunk).toString("utf8");
  })();
  while (!output.includes("ready")) await new Promise(setImmediate);
  expect(await handle.stop(300)).toEqual({ code: null, signal: "SIGKILL" });
  await reading;
  expect(output).toBe("ready\nasked\n");
  await workspace.dispose();
  expect(engine.containers.size).toBe(0);
});

test("a running agent's work is read while the container is paused", async () => {
  await using workspace = await create();
  const [container] = engine.containers.values();
  expect(await workspace.whilePaused(() => Promise.resolve(container?.isPaused))).toBe(true);
  expect(container?.isPaused).toBe(false);
});

test.each([
  ["no image is named", {}, null, "config.invalid", /image/],
  ["the image is not there", {}, "missing:latest", "sandbox.unavailable", /No such image/],
  [
    "the way out of an allow-list cannot be opened",
    { network: "allowlist" },
    "a",
    "sandbox.unavailable",
    /cannot be joined.*deny/,
  ],
  [
    "no engine answers",
    { container: { image: "a", engine: "/nowhere.sock" } },
    "a",
    "sandbox.unavailable",
    /not there/,
  ],
  ["secrets would be shown", { readOnly: ["/etc"] }, "a", "config.invalid", /secrets/],
] as const)("it is an error, and nothing is left, when %s", async (...row) => {
  const [, settings, image, code, message] = row;
  await expect(create(settings, image)).rejects.toMatchObject({
    code,
    message: expect.stringMatching(message),
  });
  expect(engine.containers.size).toBe(0);
});

test("containers of a dead owner are found by their label and removed", async () => {
  const workspace = await create();
  const provider = createContainerProvider(null, engine.socketPath);
  await provider.removeOf("other");
  expect(engine.containers.size).toBe(1);
  await provider.removeOf("box");
  expect(engine.containers.size).toBe(0);
  await workspace.dispose();
  const metadata = await readFile(join(base, "cache/workspaces/box/workspace.json"), "utf8").catch(
    () => "gone",
  );
  expect(metadata).toBe("gone");
});

test("an engine is looked for where the environment says, and every try is told", async () => {
  const found = await findEngine(null, { DOCKER_HOST: `unix://${engine.socketPath}` });
  expect(found.engine?.socketPath).toBe(engine.socketPath);
  const none = await findEngine("/nowhere.sock");
  expect(none).toEqual({ engine: null, tried: ["/nowhere.sock: not there"] });
});

test("frames are put together however they are cut", async () => {
  const bytes = Buffer.concat(
    [
      [1, "one"],
      [2, "two"],
      [1, ""],
      [1, "three"],
    ].map(([kind, text]) => {
      const header = Buffer.alloc(8);
      header.writeUInt8(Number(kind), 0);
      header.writeUInt32BE(String(text).length, 4);
      return Buffer.concat([header, Buffer.from(String(text))]);
    }),
  );
  for (let size = 1; size <= bytes.length; size += 1) {
    const source = new PassThrough();
    const { stdout, stderr } = splitStreams(source);
    for (let at = 0; at < bytes.length; at += size) source.write(bytes.subarray(at, at + size));
    source.end();
    expect([await read(stdout), await read(stderr)], `cut into ${size}`).toEqual(["onethree", "two"]);
  }
});
