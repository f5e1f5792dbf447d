import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { BenchResult } from "./bench-result.ts";
import { median, roundMs, timeMs } from "./bench-result.ts";
import { percentileOf } from "./measure.ts";

const execute = promisify(execFile);
const CANOPY = fileURLToPath(new URL("../apps/cli/bin/canopy", import.meta.url));
const SESSIONS = 50;
const STARTS = 30;

function createEnvironment(home: string): Record<string, string> {
  const path = `${dirname(process.execPath)}:/usr/local/bin:/usr/bin:/bin`;
  return { PATH: path, HOME: home, LANG: "C.UTF-8", CANOPY_HOME: join(home, "canopy"), CANOPY_PORT: "0" };
}

function createRepository(folder: string, env: Record<string, string>): string {
  const repository = join(folder, "repository");
  mkdirSync(repository, { recursive: true });
  const git = (...args: string[]): void => {
    const identity = ["-c", "user.name=Bench", "-c", "user.email=bench@canopy.invalid"];
    execFileSync("git", [...identity, ...args], { cwd: repository, env, stdio: "ignore" });
  };
  git("init", "-q", "-b", "main");
  writeFileSync(join(repository, "README.md"), "bench\n");
  git("add", ".");
  git("commit", "-qm", "start");
  return repository;
}

function readRssMb(pid: number): number {
  const text = readFileSync(`/proc/${pid}/status`, "utf8");
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(text)?.[1] ?? Number.NaN) / 1024);
}

async function measureStarts(run: () => Promise<unknown>): Promise<{ p50: number; p95: number }> {
  const times: number[] = [];
  await run();
  for (let count = 0; count < STARTS; count += 1) times.push(await timeMs(run));
  return { p50: roundMs(median(times)), p95: roundMs(percentileOf(times, 0.95)) };
}

async function waitForSessions(
  ask: (...args: string[]) => Promise<Record<string, unknown>>,
  count: number,
): Promise<void> {
  for (const deadline = Date.now() + 120_000; Date.now() < deadline;) {
    const { attempts } = await ask("ps", "--json");
    const running = (attempts as { state: string }[]).filter((attempt) => attempt.state === "running").length;
    if (running >= count) return;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  throw new Error(`not all of ${count} sessions came up in time`);
}

async function measureSessions(
  folder: string,
  env: Record<string, string>,
  pid: number,
): Promise<{ readonly rssMb: number; readonly peakMb: number }> {
  const cwd = createRepository(folder, env);
  const script = join(folder, "script.json");
  const steps = [{ say: "working" }, { delayMs: 600_000 }];
  writeFileSync(script, JSON.stringify({ version: 1, steps }));
  const ask = async (...args: string[]): Promise<Record<string, unknown>> => {
    const { stdout } = await execute(CANOPY, args, { cwd, env, maxBuffer: 64_000_000 });
    return JSON.parse(stdout) as Record<string, unknown>;
  };
  const tasks = Array.from({ length: SESSIONS }, (_, index) => ({ title: `session ${index}` }));
  writeFileSync(join(folder, "tasks.json"), JSON.stringify(tasks));
  await ask("task", "import", join(folder, "tasks.json"), "--json");
  const run = execute(CANOPY, ["run", "-c", String(SESSIONS), "--agent", `scripted:${script}`], { cwd, env });
  const ended = run.catch(() => undefined);
  await waitForSessions(ask, SESSIONS);
  await new Promise((resolve) => setTimeout(resolve, 3000));
  const rssMb = readRssMb(pid);
  const peak = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  run.child.kill("SIGINT");
  await new Promise((resolve) => setTimeout(resolve, 300));
  run.child.kill("SIGINT");
  await ended;
  return { rssMb, peakMb: Math.round(Number(peak) / 1024) };
}

/** Measures the daemon's memory, idle and with fifty scripted sessions, and what a CLI call takes from cold. */
export async function run(): Promise<BenchResult> {
  const folder = mkdtempSync(join(tmpdir(), "canopy-bench-daemon-"));
  const env = createEnvironment(folder);
  try {
    // The first start fills Node's compile cache, as any use of Canopy does.
    await execute(CANOPY, ["up"], { env });
    await execute(CANOPY, ["down"], { env });
    await execute(CANOPY, ["up"], { env });
    const { stdout } = await execute(CANOPY, ["status", "--json"], { env });
    const { pid } = JSON.parse(stdout) as { pid: number };
    await new Promise((resolve) => setTimeout(resolve, 2000));
    const idleMb = readRssMb(pid);
    const status = await measureStarts(() => execute(CANOPY, ["status"], { env }));
    const bare = await measureStarts(() => execute(process.execPath, ["-e", "0"], { env }));
    const busy = await measureSessions(folder, env, pid);
    return {
      name: "daemon",
      columns: ["what", "p50 / now", "p95 / peak", "unit", "aim"],
      rows: [
        ["canopy status, new process", status.p50, status.p95, "ms", "< 120"],
        ["node -e 0 (floor)", bare.p50, bare.p95, "ms", ""],
        ["daemon memory, idle", idleMb, idleMb, "MB RSS", "< 120"],
        [`daemon memory, ${SESSIONS} scripted sessions`, busy.rssMb, busy.peakMb, "MB RSS", ""],
      ],
      notes: [
        "RSS counts about 54 MB of Node's own program file, which all Node processes share.",
        "The sessions' agents are processes of their own and not counted.",
      ],
    };
  } finally {
    await execute(CANOPY, ["down"], { env }).catch(() => undefined);
    rmSync(folder, { recursive: true, force: true });
  }
}
