import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const execute = promisify(execFile);

/** An overlay mounted in a mount namespace of its own, for tests. Disposing ends it; the directories stay. */
export interface TemporaryOverlay extends AsyncDisposable {
  readonly upperDirectory: string;
  readonly mergedDirectory: string;
  readonly workTree: string;
  readonly enter: readonly string[];
  /** Runs a shell script in the merged view and answers its output. */
  run(script: string): Promise<string>;
}

const HOLD = `set -e
mount -t overlay overlay -o "lowerdir=lower,upperdir=upper,workdir=work,redirect_dir=nofollow$1" merged
echo mounted
exec cat >/dev/null`;

/** Mounts `root/lower` as an overlay at `root/merged`. As an ordinary user it does so in a user namespace. */
export async function mountTemporaryOverlay(root: string): Promise<TemporaryOverlay> {
  for (const name of ["lower", "upper", "work", "merged"]) await mkdir(join(root, name), { recursive: true });
  const isRoot = process.getuid?.() === 0;
  const user = isRoot ? [] : ["--user", "--map-root-user"];
  const holder = spawn("unshare", [...user, "--mount", "sh", "-c", HOLD, "sh", isRoot ? "" : ",userxattr"], {
    cwd: root,
    stdio: ["pipe", "pipe", "inherit"],
  });
  const exited = once(holder, "exit");
  await Promise.race([
    once(holder.stdout, "data"),
    exited.then(() => {
      throw new Error("the overlay could not be mounted");
    }),
  ]);
  const pid = holder.pid ?? 0;
  const namespaces = isRoot ? [] : ["--user", "--preserve-credentials"];
  const enter = ["nsenter", "--target", String(pid), ...namespaces, "--mount"];
  // Inside, an ordinary user is themselves again, as an agent is: the index of a checkout remembers who owns its files.
  const leave = isRoot
    ? []
    : [
        "unshare",
        "--user",
        `--map-user=${process.getuid?.() ?? 0}`,
        `--map-group=${process.getgid?.() ?? 0}`,
      ];
  const workTree = join(root, "merged");
  return {
    upperDirectory: join(root, "upper"),
    mergedDirectory: `/proc/${pid}/root${workTree}`,
    workTree,
    enter,
    async run(script: string): Promise<string> {
      const [program, ...rest] = [...enter, ...leave, "sh", "-ec", `cd "$1"; ${script}`, "sh", workTree];
      const environment = { PATH: process.env["PATH"] ?? "", HOME: "/nonexistent", LANG: "C.UTF-8" };
      const output = await execute(program, rest, { env: environment, maxBuffer: 1 << 28 });
      return output.stdout;
    },
    async [Symbol.asyncDispose](): Promise<void> {
      holder.stdin.end();
      await exited;
      // The kernel leaves it closed to everybody, which an ordinary user could then not remove.
      await chmod(join(root, "work", "work"), 0o700).catch(() => undefined);
    },
  };
}
