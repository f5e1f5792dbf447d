import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, readdir, realpath, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { TestContext } from "vitest";
import { openWorkspaceStore } from "../open-workspace-store.ts";
import { listPids, readCommandLine } from "../process-table.ts";
import { removeTree } from "../remove-tree.ts";
import type { WorkspaceStore } from "../workspace-store.ts";
import type { Workspace } from "../workspace.ts";
import { PROCESS_SETTINGS } from "../sandbox/sandbox-settings.ts";
import type { SandboxSettings } from "../sandbox/sandbox-settings.ts";
import type { EngineClient } from "./engine-client.ts";
import { findEngine } from "./find-engine.ts";
import { buildHostImage } from "./test-support/build-host-image.ts";
import { startPrivateEngine } from "./test-support/start-private-engine.ts";
import type { StartedEngine } from "./test-support/start-private-engine.ts";

// Against a real engine, the machine's or one of our own: with an image of this machine's own programs, for no registry may be reachable.
const execute = promisify(execFile);
const SCENARIO = join(import.meta.dirname, "../sandbox/escape-scenario.ts");
const isRoot = process.getuid?.() === 0;
/** What an engine lets through, and why it is no way out. */
const LET_THROUGH = new Set([
  // Its own groups, read-only.
  "see the control groups",
  // Nothing but zeros for whom has no privilege.
  "read kernel memory map",
  // Files are its own, and no-new-privileges makes the bit mean nothing.
  "plant a set-user-id program",
  // Depend on the filter of system calls that the engine comes with.
  "read a keyring",
  "clone3 with namespaces",
  "a vsock",
]);

let base = "";
let image = "";
let engine: EngineClient | null = null;
let privateEngine: StartedEngine | null = null;
let whyNone = "";
let store: WorkspaceStore;
let count = 0;

beforeAll(async () => {
  ({ engine } = await findEngine(process.env["CANOPY_TEST_ENGINE"] ?? null));
  if (engine === null) {
    const { started, reason } = await startPrivateEngine();
    privateEngine = started;
    engine = started?.engine ?? null;
    whyNone = reason ?? "";
  }
  if (engine === null || !isRoot) return;
  base = await realpath(await mkdtemp(join(tmpdir(), "canopy-engine-")));
  store = await openWorkspaceStore({ cacheDirectory: join(base, "cache") });
  image =
    privateEngine?.image ??
    process.env["CANOPY_TEST_IMAGE"] ??
    (await buildHostImage(engine.socketPath, base));
});

afterAll(async () => {
  if (engine === null || !isRoot) return;
  try {
    await store[Symbol.asyncDispose]();
  } finally {
    await privateEngine?.[Symbol.asyncDispose]();
    await removeTree(base);
  }
});

function skipWithoutEngine(context: TestContext): void {
  context.skip(engine === null, `no container engine answers (Docker or Podman), nor ${whyNone}`);
  // Who may use an engine of root's is not who may join the networks of its containers.
  context.skip(!isRoot, "the way out of a container is tried as root");
}

async function create(settings: Partial<SandboxSettings> = {}): Promise<Workspace> {
  count += 1;
  return await store.createWorkspace({
    // Of its own also beside another run of this file, for processes are found by it.
    workspaceId: `real-${process.pid}-${count}`,
    project: { projectId: "prj_real", name: "real" },
    source: { commit: "c", populate: (directory) => writeFile(join(directory, "file"), "content\n") },
    sandbox: {
      ...PROCESS_SETTINGS,
      level: "container",
      network: "deny",
      container: { image, engine: engine?.socketPath ?? null },
      ...settings,
    },
  });
}

/** `input` is what the script reads: of a process that leaves some unread Podman 4 may say that its connection was reset. */
async function run(
  workspace: Workspace,
  script: string,
  input = "",
): Promise<{ output: string; code: number | null }> {
  const handle = await workspace.spawn(["/bin/sh", "-c", script], { env: workspace.env });
  if (input !== "") await handle.write(input);
  handle.endInput();
  let output = "";
  const collect = async (stream: AsyncIterable<Uint8Array>): Promise<void> => {
    for await (const chunk of stream) output += Buffer.from(chunk).toString("utf8");
  };
  const [exit] = await Promise.all([handle.exited, collect(handle.stdout), collect(handle.stderr)]);
  return { output: output.trim(), code: exit.code };
}

async function listOurs(): Promise<string[]> {
  const answer = await engine?.ask("GET", "/containers/json?all=true");
  return JSON.stringify(answer?.value).match(/canopy-real-[\d-]+/g) ?? [];
}

test("a workspace in a container of a real engine", async (context) => {
  skipWithoutEngine(context);
  await writeFile(join(base, "secret"), "canary");
  const workspace = await create({ limits: { memoryBytes: 2 ** 28, processCount: 60, openFileCount: 256 } });
  expect(
    await run(workspace, "cat file -; pwd; echo bad >&2; echo work > result; exit 3", "input\n"),
  ).toEqual({
    output: `content\ninput\n${workspace.path}\nbad`,
    code: 3,
  });
  expect(await run(workspace, `cat result; cat ${base}/secret`)).toMatchObject({ code: 1 });
  expect((await run(workspace, "grep -E 'CapEff|NoNewPrivs' /proc/self/status")).output).toMatch(
    /CapEff:\s0000000000000000\nNoNewPrivs:\s1/,
  );
  expect(
    (await run(workspace, "(echo x > /bin/x) 2>/dev/null || echo read-only; ulimit -Hn; ulimit -c")).output,
  ).toBe("read-only\n256\n0");
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
  expect(await listOurs()).toEqual([]);
});

test("every escape that a container is to stop is stopped, and works without it", async (context) => {
  skipWithoutEngine(context);
  const folder = join(base, "escape");
  await mkdir(folder);
  const args = [SCENARIO, folder, image, engine?.socketPath ?? ""];
  const { stdout } = await execute(process.execPath, args, { maxBuffer: 1 << 24, cwd: folder });
  const { inside, without } = JSON.parse(stdout) as Record<"inside" | "without", Record<string, string>>;
  const names = Object.keys(inside);
  expect(names.filter((name) => inside[name] === "worked" && !LET_THROUGH.has(name))).toEqual([]);
  expect(names.filter((name) => without[name]?.startsWith("blocked") === true)).toEqual([]);
  const distinct = names.filter((name) => !name.startsWith("canary ") && inside[name] !== "worked");
  expect(distinct.length).toBeGreaterThanOrEqual(90);
});

test("out of a container leads the allow-list only, and what is refused is told", async (context) => {
  skipWithoutEngine(context);
  const outer = Object.values(networkInterfaces())
    .flat()
    .find((each) => each?.family === "IPv4" && !each.internal);
  const server = createServer((_request, response) => response.end("from outside"));
  await new Promise<void>((resolve) => server.listen(0, "0.0.0.0", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const host = outer?.address ?? "127.0.0.1";
  try {
    const workspace = await create({ network: "allowlist", allow: [`${host}:${port}`] });
    const direct = await run(workspace, `curl -sS -m 5 --noproxy '*' http://${host}:${port}/`);
    const allowed = await run(workspace, `curl -sS -m 5 http://${host}:${port}/`);
    const refused = await run(workspace, "curl -sS -m 5 -o /dev/null -w '%{http_code}' http://no.test/");
    // Nobody inside can end the way out.
    await workspace.stopProcesses();
    const again = await run(workspace, `curl -sS -m 5 http://${host}:${port}/`);
    expect([direct.code, allowed, refused.output, again.output]).toEqual([
      7,
      { output: "from outside", code: 0 },
      "403",
      "from outside",
    ]);
    expect(workspace.refusals.map(({ host: name, port: to, reason }) => [name, to, reason])).toEqual([
      ["no.test", 80, "not-on-list"],
    ]);
    await workspace.dispose();
  } finally {
    server.close();
    server.closeAllConnections();
  }
});

test("caches of package managers are seen in HOME, and what is written there is the workspace's alone", async (context) => {
  skipWithoutEngine(context);
  const version = await engine?.ask("GET", "/version");
  context.skip(!JSON.stringify(version?.value).includes("Podman"), "only Podman shows copies of folders");
  const cache = join(base, "person", ".npm", "_cacache");
  await mkdir(cache, { recursive: true });
  await writeFile(join(cache, "entry"), "cached\n");
  const before = process.env["HOME"];
  process.env["HOME"] = join(base, "person");
  try {
    const workspace = await create({ hasToolCaches: true });
    const script =
      "cd ~/.npm/_cacache && cat entry && echo mine > new && echo changed > entry && cat new entry";
    expect(await run(workspace, script)).toEqual({ output: "cached\nmine\nchanged", code: 0 });
    await workspace.dispose();
    expect([await readdir(cache), await readFile(join(cache, "entry"), "utf8")]).toEqual([
      ["entry"],
      "cached\n",
    ]);
  } finally {
    process.env["HOME"] = before;
  }
});

test("limits of a container are held and named", async (context) => {
  skipWithoutEngine(context);
  const hold = "sleep 20; echo GOT";
  const attempts: readonly (readonly [string, SandboxSettings["limits"], string])[] = [
    [
      "memory limit 64 MB",
      { memoryBytes: 2 ** 26 },
      `perl -e 'my $n = 200; my $x = "a" x ($n << 20); print "GOT"'`,
    ],
    [
      "process limit 40",
      { processCount: 40 },
      `perl -e 'for (1 .. 80) { my $p = fork; defined $p or exit 1; $p or sleep(9), exit } print "GOT"'`,
    ],
    [
      "open files limit 64",
      { openFileCount: 64 },
      `perl -e 'for (1 .. 99) { open my $f, "<", "file" or die $!; push @f, $f } print "GOT"'`,
    ],
    [
      "disk limit 5 MB",
      { diskBytes: 5 * 2 ** 20 },
      `head -c 9000000 /dev/zero > big && echo GOT; [ -s big ] && ${hold}`,
    ],
    ["time limit 1 s", { wallMs: 1_000 }, hold],
  ];
  const found = await Promise.all(
    attempts.map(async ([, limits, script]) => {
      const workspace = await create({ limits });
      const { output, code } = await run(workspace, script);
      const hit = await workspace.describeLimitHit();
      await workspace.dispose();
      return output.includes("GOT") ? "not stopped" : (hit ?? `ended with ${code}: ${output}`);
    }),
  );
  expect(found).toEqual(attempts.map(([name]) => name));
});

test("after twenty containers, half of them killed, nothing is left", async (context) => {
  skipWithoutEngine(context);
  const next = Array.from({ length: 20 }, (_each, index) => index).values();
  const work = async (): Promise<void> => {
    for (const index of next) {
      const workspace = await create({ network: "allowlist" });
      const agent = await workspace.spawn(["/bin/sh", "-c", "setsid sleep 4000 & echo ready; sleep 4000"], {
        env: workspace.env,
      });
      for await (const chunk of agent.stdout) if (Buffer.from(chunk).includes("ready")) break;
      const filters = encodeURIComponent(
        JSON.stringify({ label: [`canopy.workspace=${workspace.workspaceId}`] }),
      );
      const listed = await engine?.ask("GET", `/containers/json?filters=${filters}`);
      const id = /"Id":"(\w+)"/.exec(JSON.stringify(listed?.value))?.[1] ?? "";
      if (index % 2 === 0) await engine?.ask("POST", `/containers/${id}/kill?signal=SIGKILL`);
      await workspace.dispose();
    }
  };
  await Promise.all([work(), work(), work()]);
  const lines = await Promise.all((await listPids()).map((pid) => readCommandLine(pid)));
  expect({
    containers: await listOurs(),
    forwarders: lines.filter((line) => line.includes("container-egress.pl") && line.includes(base)),
    agents: lines.filter((line) => line === "sleep 4000"),
    workspaces: await readdir(join(base, "cache", "workspaces")),
  }).toEqual({ containers: [], forwarders: [], agents: [], workspaces: [] });
});
