import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, open, stat, writeFile } from "node:fs/promises";
import { createSocket } from "node:dgram";
import { createServer } from "node:http";
import type { Server } from "node:http";
import { networkInterfaces } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { waitUntil } from "../process-table.ts";
import { openWorkspaceStore } from "../open-workspace-store.ts";
import type { Workspace } from "../workspace.ts";
import { ESCAPE_ATTEMPTS } from "./escape-attempts.ts";
import type { EscapeAttempt } from "./escape-attempts.ts";
import { LIFT_ATTEMPTS, ORPHAN_ATTEMPTS, PROCESS_ATTEMPTS } from "./process-attempts.ts";
import { describePersonsEnvironment, fillPersonsHome } from "./process-host.ts";
import type { SandboxSettings } from "./sandbox-settings.ts";
import { PROCESS_SETTINGS } from "./sandbox-settings.ts";

// Run by escape.e2e.test.ts as a program of its own, as root or as an ordinary user: makes a host worth attacking, then
// runs every attempt in a sandbox and then without one, and prints what worked where.
// With an image and the socket of an engine it does so in a container instead.
const [base = "", image = "", engine = ""] = process.argv.slice(2);
const run = promisify(execFile);
const OUT = join(base, "out");
const HOME = join(base, "home");

/** Where people and programs keep secrets, below a home. */
const CANARIES =
  `.ssh/id_ed25519 .ssh/config .gnupg/private-keys-v1.d/key .aws/credentials .azure/accessTokens.json .config/gcloud/credentials.db
  .kube/config .docker/config.json .netrc .password-store/mail.gpg .local/share/keyrings/login.keyring .config/gh/hosts.yml
  .git-credentials .config/git/credentials .npmrc .pypirc .cargo/credentials.toml .vault-token .bash_history
  .claude/.credentials.json .codex/auth.json .config/hub`.split(/\s+/);

async function put(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
}

async function listen(server: Server, where: object | string): Promise<number> {
  server.listen(where);
  await once(server, "listening");
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

const outer = Object.values(networkInterfaces()).flat();
const address = outer.find((each) => each?.family === "IPv4" && !each.internal)?.address ?? "127.0.0.1";

/** A repository of the person's with one commit, whose name it answers. */
async function makeRepository(): Promise<string> {
  const identity = ["-c", "user.name=a", "-c", "user.email=a@b.invalid"];
  await run("git", ["init", "-q", join(OUT, "repository")]);
  await run("git", [...identity, "commit", "-q", "--allow-empty", "-m", "one"], {
    cwd: join(OUT, "repository"),
  });
  const { stdout } = await run("git", ["rev-parse", "HEAD"], { cwd: join(OUT, "repository") });
  return stdout.trim();
}

async function makeHost(): Promise<{ env: Record<string, string>; close: () => Promise<void> }> {
  for (const name of ["secret", "open-to-all", "doomed", "movable", "own"])
    await put(join(OUT, name), "canary-outside\n");
  await chmod(join(OUT, "open-to-all"), 0o666);
  await put(join(HOME, "ordinary"), "ordinary\n");
  for (const path of CANARIES) await put(join(HOME, path), "canary-secret\n");
  const commit = await makeRepository();
  const secret = await open(join(OUT, "secret"));
  const victim = spawn("sleep", ["4321"], {
    cwd: OUT,
    env: { ...process.env, VICTIM: "canary-environment" },
    stdio: ["ignore", "ignore", "ignore", secret.fd],
    // The first of a group of its own.
    detached: true,
  });
  await secret.close();
  const other = { port: 0 };
  const servers = [0, 1, 2, 3, 4].map(() =>
    createServer((request, response) => {
      if (request.url === "/authorization") return response.end(`${request.headers.authorization ?? ""}\n`);
      if (request.url !== "/redirect") return response.end("canary-server\n");
      return response.writeHead(302, { location: `http://${address}:${other.port}/` }).end("elsewhere\n");
    }),
  );
  const [four, six, file, abstract, second] = servers;
  if (!four || !six || !file || !abstract || !second) throw new Error("no servers");
  const port = await listen(four, { port: 0, host: "0.0.0.0" });
  const port6 = await listen(six, { port: 0, host: "::1" });
  await listen(file, join(OUT, "daemon.sock"));
  await listen(abstract, `\0canopy-escape-${port}`);
  other.port = await listen(second, { port: 0, host: "0.0.0.0" });
  const udp = createSocket("udp4", (_message, from) => udp.send("canary-answer", from.port, from.address));
  udp.bind(0, "0.0.0.0");
  await once(udp, "listening");
  const env = {
    OUT,
    PERSON: HOME,
    NODE: process.execPath,
    COMMIT: commit,
    HOSTPID: String(victim.pid),
    PORT: String(port),
    PORT6: String(port6),
    ADDRESS: address,
    OTHERPORT: String(other.port),
    UDPPORT: String(udp.address().port),
  };
  const own = await open(join(OUT, "own"));
  const close = async (): Promise<void> => {
    await own.close();
    victim.kill("SIGKILL");
    udp.close();
    for (const server of servers) {
      server.close();
      server.closeAllConnections();
    }
  };
  return { env, close };
}

async function execute(workspace: Workspace, script: string, env: Record<string, string>): Promise<string> {
  const handle = await workspace.spawn(["sh", "-c", script], { env: { ...workspace.env, ...env } });
  handle.endInput();
  let output = "";
  const collect = async (stream: AsyncIterable<Uint8Array>): Promise<void> => {
    for await (const chunk of stream)
      output = (output + Buffer.from(chunk).toString("latin1")).slice(0, 4_000);
  };
  await Promise.all([collect(handle.stdout), collect(handle.stderr), handle.exited]);
  return output;
}

function canaryAttempts(home: string): EscapeAttempt[] {
  return CANARIES.flatMap((path) => [
    { name: `canary ${path}`, script: `grep -q canary-secret "${home}/${path}" && echo GOT` },
    {
      name: `canary ~/${path}`,
      script: `grep -q canary-secret ~/"${path}" && echo GOT`,
      isProcess: true,
    },
  ]);
}

/** Which processes outlive the end of all of their workspace's processes. */
async function tryOrphans(workspace: Workspace): Promise<Record<string, string>> {
  await Promise.all(ORPHAN_ATTEMPTS.map(({ script }) => execute(workspace, script, {})));
  await workspace.stopProcesses();
  const sizeOf = async (name: string): Promise<number> =>
    (await stat(join(workspace.readablePath, name)).catch(() => null))?.size ?? 0;
  const sizes = await Promise.all(ORPHAN_ATTEMPTS.map(({ name }) => sizeOf(name)));
  const grows = await Promise.all(
    ORPHAN_ATTEMPTS.map(({ name }, index) =>
      waitUntil(async () => (await sizeOf(name)) > (sizes[index] ?? 0), 700),
    ),
  );
  return Object.fromEntries(
    ORPHAN_ATTEMPTS.map(({ name }, index) => [
      name,
      grows[index] === true ? "worked" : "blocked: it is gone",
    ]),
  );
}

/** Whose attempts are tried where: what level `process` promises is tried with the environment of a person. */
function listAttempts(settings: SandboxSettings, isPerson: boolean): EscapeAttempt[] {
  const isRoot = process.getuid?.() === 0;
  const all = [...ESCAPE_ATTEMPTS, ...canaryAttempts(HOME)].filter(
    ({ needsRoot }) => needsRoot !== true || isRoot,
  );
  if (settings.limits.openFileCount !== undefined) return [...LIFT_ATTEMPTS];
  if (isPerson) return [...all.filter(({ isProcess }) => isProcess === true), ...PROCESS_ATTEMPTS];
  // What is permitted concerns only the secrets.
  return settings.permit.length > 0 ? canaryAttempts(HOME) : all;
}

async function tryAll(
  settings: SandboxSettings,
  attempts: readonly EscapeAttempt[],
  env: Record<string, string>,
): Promise<Record<string, string>> {
  storeCount += 1;
  const cacheDirectory = join(base, `cache-${storeCount}`);
  await using store = await openWorkspaceStore(
    settings.level === "none" ? { cacheDirectory, backend: "copy" } : { cacheDirectory },
  );
  const workspace = await store.createWorkspace({
    workspaceId: "escape",
    project: { projectId: "prj_escape", name: "escape" },
    source: { commit: "c", populate: (directory) => writeFile(join(directory, "file"), "x") },
    sandbox: settings,
  });
  const results: Record<string, string> = {};
  const next = attempts.values();
  const work = async (): Promise<void> => {
    for (const { name, script } of next) {
      const output = await execute(workspace, script, env);
      results[name] = output.includes("GOT\n") ? "worked" : `blocked: ${output.trim().slice(0, 200)}`;
    }
  };
  await Promise.all(Array.from({ length: 4 }, work));
  if (attempts.length > LIFT_ATTEMPTS.length) Object.assign(results, await tryOrphans(workspace));
  if (settings.level !== "process")
    results["an ordinary file"] = (await execute(workspace, `cat "${HOME}/ordinary"`, {})).trim();
  await workspace.dispose();
  return results;
}

process.env["HOME"] = HOME;
process.env["CANARY_ENVIRONMENT"] = "canary-environment";
process.env["ANTHROPIC_API_KEY"] = "canary-key";
process.env["SSH_AUTH_SOCK"] = join(OUT, "daemon.sock");
const host = await makeHost();
const port = host.env["PORT"] ?? "";
let storeCount = 0;
const sandbox: SandboxSettings = {
  ...PROCESS_SETTINGS,
  level: "sandbox",
  network: "allowlist",
  allow: ["localhost:1", `localhost:${port}`, `${address}:${port}`],
  // A person opens their whole home by accident.
  readOnly: [HOME],
};
const unenclosed: SandboxSettings = { ...PROCESS_SETTINGS, level: "none" };
const play = (settings: SandboxSettings, isPerson: boolean): Promise<Record<string, string>> =>
  tryAll(settings, listAttempts(settings, isPerson), host.env);
if (image !== "") {
  const container: SandboxSettings = {
    ...sandbox,
    level: "container",
    readOnly: [],
    container: { image, engine },
  };
  const results = { inside: await play(container, false), without: await play(unenclosed, false) };
  await host.close();
  process.stdout.write(`${JSON.stringify(results)}\n`);
  process.exit(0);
}
const inside = await play(sandbox, false);
const permitted = await play({ ...sandbox, permit: [join(HOME, ".aws/credentials")] }, false);
const without = await play(unenclosed, false);
// From here on Canopy is started by a person whose environment is full, and who lets everybody write their files.
const person = { out: OUT, home: HOME, port };
await fillPersonsHome(person);
Object.assign(process.env, describePersonsEnvironment(person));
process.umask(0);
const limits = { openFileCount: 256, diskBytes: 20 * 2 ** 20 };
const atProcess = {
  ...(await play({ ...PROCESS_SETTINGS, level: "process" }, true)),
  ...(await play({ ...PROCESS_SETTINGS, level: "process", limits }, true)),
};
const withoutAgain = { ...(await play(unenclosed, true)), ...(await play({ ...unenclosed, limits }, true)) };
await host.close();
process.stdout.write(`${JSON.stringify({ inside, permitted, without, atProcess, withoutAgain })}\n`);
