import { isProcessAlive } from "@canopy/daemon/process";
import type { DaemonStatus } from "@canopy/protocol";
import { CanopyError } from "@canopy/protocol/errors";
import type { RegisterCommands } from "../run-cli.ts";
import { readDaemonInfo } from "../connection/daemon-files.ts";
import { daemonPaths, ensureDaemon, isDaemonUp } from "../connection/ensure-daemon.ts";
import { keepHooksFromStarting } from "../connection/hook-start.ts";
import { connectDaemonApi } from "../connection/project-api.ts";
import { formatBytes, formatDuration, formatTable } from "../output/format.ts";
import { printJson, printText } from "../output/print.ts";
import { parseWhole } from "../parse-arguments.ts";

const STOP_TIMEOUT_MS = 30_000;

async function readStatus(): Promise<DaemonStatus> {
  const api = connectDaemonApi(daemonPaths());
  return (await api.request("GET", "/status")) as DaemonStatus;
}

/** The daemon's status as `--json` prints it, where `version` is that of the shape. */
function statusToJson({ version, ...status }: DaemonStatus): object {
  return { ...status, daemonVersion: version };
}

function formatLevels({ activeLevels }: DaemonStatus): string {
  const parts = Object.entries(activeLevels).map(([level, count]) => `${count} at level ${level}`);
  return parts.length === 0 ? "" : ` (${parts.join(", ")})`;
}

function formatStatus(status: DaemonStatus): string {
  const rows = [
    [
      "daemon",
      `running, pid ${status.pid}, version ${status.version}, up ${formatDuration(status.uptimeMs)}`,
    ],
    ["address", `http://127.0.0.1:${status.port} and ${status.socketPath}`],
    ["memory", formatBytes(status.memoryBytes)],
    ["active", `${status.activeRuns} runs, ${status.activeAttempts} agents${formatLevels(status)}`],
    ["state", status.stateDirectory],
    ...status.projects.map((project) => ["project", `${project.name} (${project.path})`]),
  ];
  return formatTable(["", ""], rows).trimStart();
}

async function stopDaemon(): Promise<boolean> {
  const paths = daemonPaths();
  if (!(await isDaemonUp(paths))) return false;
  const info = readDaemonInfo(paths.infoPath);
  await connectDaemonApi(paths).request("POST", "/stop");
  if (info === null) return true;
  const deadline = Date.now() + STOP_TIMEOUT_MS;
  while (isProcessAlive(info.pid)) {
    if (Date.now() > deadline) {
      throw new CanopyError(
        "timed-out",
        `the daemon (pid ${info.pid}) has not ended after ${STOP_TIMEOUT_MS / 1000} s`,
        {
          hint: `see ${paths.logPath}`,
        },
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return true;
}

interface LogOptions {
  readonly follow?: boolean;
  readonly lines: number;
  readonly json?: boolean;
}

async function showLogs(options: LogOptions): Promise<void> {
  const { logPath } = daemonPaths();
  const { createReadStream, existsSync, statSync, watchFile, unwatchFile } = await import("node:fs");
  const { readFile } = await import("node:fs/promises");
  if (!existsSync(logPath)) throw new CanopyError("thing.not-found", `there is no log yet at ${logPath}`);
  const lines = (await readFile(logPath, "utf8")).trimEnd().split("\n");
  const shown = lines.slice(-options.lines).filter((line) => line !== "");
  if (options.json === true) {
    printJson({ log: logPath, lines: shown.map((line): unknown => JSON.parse(line)) });
    return;
  }
  printText(shown.join("\n"));
  if (options.follow !== true) return;
  let offset = statSync(logPath).size;
  await new Promise<void>((resolve) => {
    process.once("SIGINT", () => {
      unwatchFile(logPath);
      resolve();
    });
    watchFile(logPath, { interval: 250 }, (current) => {
      const start = current.size < offset ? 0 : offset;
      offset = current.size;
      if (current.size > start)
        createReadStream(logPath, { start, end: current.size - 1 }).pipe(process.stdout, { end: false });
    });
  });
}

/** `canopy up`, `down`, `status`, `logs`. */
export const registerDaemon: RegisterCommands = (program) => {
  program
    .command("up")
    .description("start the daemon, if none runs")
    .option(
      "--port <number>",
      "port of the loopback HTTP server (default: 7770, or CANOPY_PORT)",
      parseWhole(0, 65_535),
    )
    .option("--json", "print the daemon's status as JSON")
    .addHelpText("after", "\nExample:\n  canopy up --port 7771")
    .action(async (options: { port?: number; json?: boolean }) => {
      const outcome = await ensureDaemon(
        daemonPaths(),
        options.port === undefined ? {} : { port: options.port },
      );
      const status = await readStatus();
      if (options.json === true) printJson({ outcome, ...statusToJson(status) });
      else
        printText(
          `${outcome === "started" ? "started" : "already running"}: pid ${status.pid}, http://127.0.0.1:${status.port}`,
        );
    });
  program
    .command("down")
    .description("stop the daemon; agents are ended and their work is kept")
    .option("--json", "print what happened as JSON")
    .addHelpText("after", "\nExample:\n  canopy down")
    .action(async (options: { json?: boolean }) => {
      keepHooksFromStarting(daemonPaths().hookClientDir);
      const wasRunning = await stopDaemon();
      if (options.json === true) printJson({ stopped: wasRunning });
      else printText(wasRunning ? "stopped" : "no daemon was running");
    });
  program
    .command("status")
    .description("say whether the daemon runs, and what it is doing")
    .option("--json", "print it as JSON")
    .addHelpText("after", "\nExample:\n  canopy status --json")
    .action(async (options: { json?: boolean }) => {
      const status = await readStatus();
      if (options.json === true) printJson(statusToJson(status));
      else printText(formatStatus(status));
    });
  program
    .command("logs")
    .description("show the daemon's log")
    .option("-f, --follow", "go on with new lines until Ctrl-C")
    .option("-n, --lines <count>", "how many lines", parseWhole(1, 1_000_000), 50)
    .option("--json", "print the lines as one JSON document")
    .addHelpText("after", "\nExample:\n  canopy logs -f")
    .action(showLogs);
};
