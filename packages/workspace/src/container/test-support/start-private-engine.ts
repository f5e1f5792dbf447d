import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, open, readFile, readdir, realpath, rmdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { identifyProcess, isRunning, killMarked, waitUntil } from "../../process-table.ts";
import { removeTree } from "../../remove-tree.ts";
import { readOwnRlimits } from "../container-limits.ts";
import type { EngineClient } from "../engine-client.ts";
import { createEngineClient, createEngineError } from "../engine-client.ts";
import { buildHostImage } from "./build-host-image.ts";
import type { PrivateEngine } from "./find-private-engine.ts";
import { findPrivateEngine } from "./find-private-engine.ts";

/** A container engine that serves one test file and leaves nothing behind. */
export interface StartedEngine extends AsyncDisposable {
  readonly engine: EngineClient;
  /** An image of this machine's own programs. */
  readonly image: string;
}

const WORKS_WITHIN_MS = 20_000;
const ENDS_WITHIN_MS = 10_000;
const PREFIX = "canopy-podman-";
/** In the environment of all that is the engine's own. Containers are its descendants. */
const MARKER = "CANOPY_PRIVATE_ENGINE";
const GROUPS_WITHIN_MS = 3_000;
const CONTROL_GROUPS = "/sys/fs/cgroup";
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/** Mounts that it makes are seen by itself only and go with it, and what it would write outside of its folder goes into memory. */
const OWN_MOUNTS = 'mount -t tmpfs none /var/lib && mount -t tmpfs none /run && exec "$@"';
const listedSchema = z.array(z.object({ Id: z.string() }));
const createdSchema = z.object({ Id: z.string() });
const waitedSchema = z.object({ StatusCode: z.number() });

function planEnvironment(base: string, programs: PrivateEngine): Record<string, string> {
  return {
    PATH,
    [MARKER]: base,
    HOME: join(base, "home"),
    XDG_CONFIG_HOME: join(base, "home", ".config"),
    TMPDIR: base,
    CONTAINERS_CONF: join(base, "containers.conf"),
    CONTAINERS_STORAGE_CONF: join(base, "storage.conf"),
    CONTAINERS_REGISTRIES_CONF: "/dev/null",
    LD_LIBRARY_PATH: programs.libraries,
  };
}

/** Its settings. `conmon` starts Podman again when a container ends, so it needs the environment too. */
function planSettings(base: string, env: Readonly<Record<string, string>>, conmon: string): string {
  const at = (name: string): string => JSON.stringify(join(base, name));
  const pairs = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  return `[containers]
log_driver = "k8s-file"
apparmor_profile = "unconfined"
default_sysctls = []
[network]
network_config_dir = ${at("networks")}
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
lock_type = "file"
runtime = "runc"
conmon_path = [${JSON.stringify(conmon)}]
conmon_env_vars = ${JSON.stringify(pairs)}
tmp_dir = ${at("tmp")}
static_dir = ${at("graph/libpod")}
volume_path = ${at("graph/volumes")}
[engine.runtimes]
runc = [${at("runc")}]
`;
}

async function writeSettings(base: string, programs: PrivateEngine): Promise<Record<string, string>> {
  const env = planEnvironment(base, programs);
  for (const name of ["home/.config/containers", "tmp", "graph", "run", "state", "networks"])
    await mkdir(join(base, name), { recursive: true });
  await writeFile(
    join(base, "home/.config/containers/policy.json"),
    '{"default":[{"type":"insecureAcceptAnything"}]}',
  );
  await writeFile(join(base, "containers.conf"), planSettings(base, env, programs.conmon));
  const [graph, run] = [join(base, "graph"), join(base, "run")].map((path) => JSON.stringify(path));
  await writeFile(
    join(base, "storage.conf"),
    `[storage]\ndriver = "overlay"\ngraphroot = ${graph}\nrunroot = ${run}\n`,
  );
  // It keeps what runs in /run otherwise, which is each process's own here.
  await writeFile(
    join(base, "runc"),
    `#!/bin/sh\nexec '${programs.runc}' --root '${join(base, "state")}' "$@"\n`,
  );
  await chmod(join(base, "runc"), 0o755);
  return env;
}

/** Removes control groups that are empty; those of other engines are not. Who was just killed is in its group for a moment. */
async function removeGroups(ids: readonly string[]): Promise<void> {
  const folders = await readdir(CONTROL_GROUPS).catch(() => []);
  const parents = ["", ...folders].map((name) => join(CONTROL_GROUPS, name, "libpod_parent"));
  const names = [...ids.map((id) => `libpod-${id}`), "conmon", ""];
  const groups = parents.flatMap((parent) => names.map((name) => join(parent, name)));
  await waitUntil(async () => {
    const codes: unknown[] = [];
    for (const group of groups)
      await rmdir(group).catch((error: unknown) => {
        if (error instanceof Error && "code" in error) codes.push(error.code);
      });
    return !codes.includes("EBUSY");
  }, GROUPS_WITHIN_MS);
}

async function within<T>(work: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${ms / 1_000} s`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function removeContainers(engine: EngineClient): Promise<void> {
  const listed = listedSchema.safeParse((await engine.ask("GET", "/containers/json?all=true")).value);
  for (const { Id: id } of listed.success ? listed.data : [])
    await engine.ask("DELETE", `/containers/${id}?force=true&v=true`);
}

/** Ends everything of a private engine, whether its service still lives or not, and removes what it left. */
async function endAll(base: string): Promise<void> {
  // Whoever waited for too long may wait for ever.
  const engine = createEngineClient(join(base, "engine.sock"));
  await within(removeContainers(engine), ENDS_WITHIN_MS).catch(() => undefined);
  const left = await killMarked(`${MARKER}=${base}`, ENDS_WITHIN_MS);
  if (left.length > 0) throw new Error(`processes of the private Podman cannot be ended: ${left.join(" ")}`);
  await removeGroups(await readdir(join(base, "state")).catch(() => []));
  await removeTree(base);
}

/** Ends what was left by a test process that was killed. */
async function sweep(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    if (!name.startsWith(PREFIX)) continue;
    const base = join(tmpdir(), name);
    const text = await readFile(join(base, "owner"), "utf8").catch(() => "");
    const [, pid, startedAt] = /^(\d+) (.+)$/.exec(text) ?? [];
    if (pid === undefined || startedAt === undefined) continue;
    if (!(await isRunning({ pid: Number(pid), startedAt }))) await endAll(await realpath(base));
  }
}

async function makeFolder(): Promise<string> {
  const base = await realpath(await mkdtemp(join(tmpdir(), PREFIX)));
  const owner = await identifyProcess(process.pid);
  if (owner !== null) await writeFile(join(base, "owner"), `${owner.pid} ${owner.startedAt}`);
  return base;
}

/** Runs one container to its end. */
async function tryContainer(engine: EngineClient, image: string): Promise<void> {
  const description = {
    Image: image,
    Entrypoint: ["/bin/true"],
    HostConfig: { NetworkMode: "none", Memory: 2 ** 27, Ulimits: await readOwnRlimits() },
  };
  const made = await engine.ask("POST", "/containers/create", description);
  if (made.status !== 201) throw createEngineError("no container could be made", made);
  const { Id: id } = createdSchema.parse(made.value);
  const started = await engine.ask("POST", `/containers/${id}/start`);
  if (started.status !== 204) throw createEngineError("the container did not start", started);
  const waited = await engine.ask("POST", `/containers/${id}/wait`);
  const code = waitedSchema.safeParse(waited.value);
  if (!code.success || code.data.StatusCode !== 0) throw createEngineError("the container failed", waited);
  await engine.ask("DELETE", `/containers/${id}?force=true&v=true`);
}

/** Starts the service, and answers when it does. */
async function startService(base: string, programs: PrivateEngine): Promise<EngineClient> {
  const env = await writeSettings(base, programs);
  const log = await open(join(base, "log"), "w");
  const service = [programs.podman, "--log-level=error", "system", "service", "--time=0"];
  const args = ["--mount", "--propagation", "private", "/bin/sh", "-c", OWN_MOUNTS, "sh", ...service];
  const child = spawn("unshare", [...args, `unix://${join(base, "engine.sock")}`], {
    cwd: base,
    env,
    stdio: ["ignore", log.fd, log.fd],
  });
  await once(child, "spawn");
  await log.close();
  const engine = createEngineClient(join(base, "engine.sock"));
  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null;
  const answers = async (): Promise<boolean> =>
    (await engine.ask("GET", "/_ping").catch(() => null))?.status === 200;
  await waitUntil(async () => hasEnded() || (await answers()), WORKS_WITHIN_MS);
  if (!hasEnded()) return engine;
  const said = await readFile(join(base, "log"), "utf8");
  throw new Error(`it ended: ${said.trim().split("\n").at(-1) ?? ""}`);
}

/** Starts the Podman that `npm test` put into the cache, and tries whether it works on this machine; answers why not where it does not. */
export async function startPrivateEngine(): Promise<
  | { readonly started: StartedEngine; readonly reason: null }
  | { readonly started: null; readonly reason: string }
> {
  const { programs, reason } = findPrivateEngine();
  if (programs === null) return { started: null, reason: `the private Podman: ${reason}` };
  await sweep();
  const base = await makeFolder();
  const prepare = async (): Promise<StartedEngine> => {
    const engine = await startService(base, programs);
    const image = await buildHostImage(engine.socketPath, base);
    await tryContainer(engine, image);
    return { engine, image, [Symbol.asyncDispose]: () => endAll(base) };
  };
  const preparing = prepare();
  try {
    return { started: await within(preparing, WORKS_WITHIN_MS), reason: null };
  } catch (error) {
    await endAll(base);
    // It may have been making the image's files.
    await preparing.catch(() => undefined);
    await removeTree(base);
    const message = error instanceof Error ? error.message : String(error);
    return { started: null, reason: `the private Podman, which does not work here: ${message}` };
  }
}
