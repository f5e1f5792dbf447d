import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, open, readFile, stat, writeFile } from "node:fs/promises";
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
import type { SandboxSettings } from "./sandbox-settings.ts";
import { PROCESS_SETTINGS } from "./sandbox-settings.ts";

// Run by escape.e2e.test.ts as a program of its own, as root or as an ordinary user: makes a host worth attacking, then
// runs every attempt in a sandbox and then without one, and prints what worked where.
const [base = ""] = process.argv.slice(2);
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

async function makeHost(): Promise<{ env: Record<string, string>; close: () => void }> {
  for (const name of ["secret", "open-to-all", "doomed", "movable", "own"])
    await put(join(OUT, name), "canary-outside\n");
  await chmod(join(OUT, "open-to-all"), 0o666);
  await put(join(HOME, "ordinary"), "ordinary\n");
  for (const path of CANARIES) await put(join(HOME, path), "canary-secret\n");
  const identity = ["-c", "user.name=a", "-c", "user.email=a@b.invalid"];
  await run("git", ["init", "-q", join(OUT, "repository")]);
  await run("git", [...identity, "commit", "-q", "--allow-empty", "-m", "one"], {
    cwd: join(OUT, "repository"),
  });
  const secret = await open(join(OUT, "secret"));
  const victim = spawn("sleep", ["4321"], {
    cwd: OUT,
    env: { ...process.env, VICTIM: "canary-environment" },
    stdio: ["ignore", "ignore", "ignore", secret.fd],
  });
  await secret.close();
  const other = { port: 0 };
  const servers = [0, 1, 2, 3, 4].map(() =>
    createServer((request, response) => {
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
    HOSTPID: String(victim.pid),
    PORT: String(port),
    PORT6: String(port6),
    ADDRESS: address,
    OTHERPORT: String(other.port),
    UDPPORT: String(udp.address().port),
  };
  const close = (): void => {
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

/** Leaves its session, its parent and its environment, and beats on. */
const ORPHAN = `env -i /usr/bin/setsid /usr/bin/perl -e 'fork and exit; open P, ">", "orphan"; print P $$; close P; while (1) { open F, ">>", "beat"; print F "x"; close F; select undef, undef, undef, 0.02 }' & while [ ! -s beat ]; do sleep 0.02; done`;

/** Whether a process outlives the end of all of its workspace's processes. */
async function tryOrphan(workspace: Workspace): Promise<string> {
  await execute(workspace, `cd "$CANOPY_WORKSPACE" && (${ORPHAN}) >/dev/null 2>&1`, {});
  const beat = join(workspace.readablePath, "beat");
  await workspace.stopProcesses();
  const { size } = await stat(beat);
  const isAlive = await waitUntil(async () => (await stat(beat)).size > size, 700);
  const pid = Number(await readFile(join(workspace.readablePath, "orphan"), "utf8"));
  if (isAlive) process.kill(pid, "SIGKILL");
  return isAlive ? "worked" : "blocked: it is gone";
}

async function tryAll(
  settings: SandboxSettings,
  backend: "copy" | undefined,
  env: Record<string, string>,
): Promise<Record<string, string>> {
  const cacheDirectory = join(base, `cache-${settings.level}-${settings.permit.length}`);
  await using store = await openWorkspaceStore(
    backend === undefined ? { cacheDirectory } : { cacheDirectory, backend },
  );
  const workspace = await store.createWorkspace({
    workspaceId: "escape",
    project: { projectId: "prj_escape", name: "escape" },
    source: { commit: "c", populate: (directory) => writeFile(join(directory, "file"), "x") },
    sandbox: settings,
  });
  const isRoot = process.getuid?.() === 0;
  const results: Record<string, string> = {};
  const isTried = ({ needsRoot, isProcess }: EscapeAttempt): boolean =>
    (needsRoot !== true || isRoot) && (settings.level !== "process" || isProcess === true);
  // What is permitted concerns only the secrets.
  const general = settings.permit.length > 0 ? [] : ESCAPE_ATTEMPTS;
  const attempts = [...general, ...canaryAttempts(HOME)].filter(isTried);
  const next = attempts.values();
  const work = async (): Promise<void> => {
    for (const { name, script } of next) {
      const output = await execute(workspace, script, env);
      results[name] = output.includes("GOT\n") ? "worked" : `blocked: ${output.trim().slice(0, 200)}`;
    }
  };
  await Promise.all(Array.from({ length: 4 }, work));
  results["an orphaned daemon"] = await tryOrphan(workspace);
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
const sandbox: SandboxSettings = {
  ...PROCESS_SETTINGS,
  level: "sandbox",
  network: "allowlist",
  allow: ["localhost:1", `localhost:${port}`, `${address}:${port}`],
  // A person opens their whole home by accident.
  readOnly: [HOME],
};
const inside = await tryAll(sandbox, undefined, host.env);
const permitted = await tryAll({ ...sandbox, permit: [join(HOME, ".aws/credentials")] }, undefined, host.env);
const without = await tryAll({ ...PROCESS_SETTINGS, level: "none" }, "copy", host.env);
const atProcess = await tryAll({ ...PROCESS_SETTINGS, level: "process" }, undefined, host.env);
host.close();
process.stdout.write(`${JSON.stringify({ inside, permitted, without, atProcess })}\n`);
