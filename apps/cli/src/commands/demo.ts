import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { isProcessAlive } from "@canopy/daemon/process";
import { CanopyError } from "@canopy/protocol/errors";
import type { Json } from "@canopy/protocol";
import type { RegisterCommands } from "../run-cli.ts";
import { daemonPaths, isDaemonUp } from "../connection/ensure-daemon.ts";
import { connectDaemonApi, openProjectApi } from "../connection/project-api.ts";
import { readDaemonInfo } from "../connection/daemon-files.ts";
import { createDemoRepository, demoGit } from "../demo/create-demo-repository.ts";
import { DEMO_TASKS, createDemoScript } from "../demo/demo-project.ts";
import { printJson, printText } from "../output/print.ts";
import { formatSummary } from "../run/summarize-run.ts";
import { deliver, formatDelivery } from "./deliver.ts";
import { runToEnd } from "./run.ts";

const execute = promisify(execFile);

interface DemoOptions {
  readonly concurrency: number;
  readonly json?: boolean;
}

/** The demo has a daemon of its own, so that it neither needs nor touches the user's. */
function isolate(root: string): void {
  process.env["CANOPY_HOME"] = join(root, "canopy");
  process.env["CANOPY_PORT"] = "0";
  // Agents' shells find the Node that runs this, whatever is installed.
  process.env["CANOPY_DEMO_NODE"] = process.execPath;
  process.env["PATH"] = `${dirname(process.execPath)}:${process.env["PATH"] ?? ""}`;
}

async function stopDemoDaemon(): Promise<void> {
  const paths = daemonPaths();
  const info = readDaemonInfo(paths.infoPath);
  if (info === null || !(await isDaemonUp(paths))) return;
  await connectDaemonApi(paths).request("POST", "/stop");
  for (let waitedMs = 0; waitedMs < 10_000; waitedMs += 20) {
    if (!isProcessAlive(info.pid)) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function countPassingTests(repository: string): Promise<string> {
  const { NODE_TEST_CONTEXT: _context, ...env } = process.env;
  const { stdout } = await execute(process.execPath, ["--test"], { cwd: repository, env });
  return `${/^. pass (\d+)$/m.exec(stdout)?.[1] ?? "?"} tests of the delivered repository pass`;
}

async function setUp(root: string): Promise<string> {
  const repository = join(root, "wordsmith");
  await createDemoRepository(repository);
  await mkdir(join(repository, ".canopy"), { recursive: true });
  const script = join(root, "demo-script.json");
  await writeFile(script, JSON.stringify(createDemoScript(), null, 2));
  const config = `# Written by canopy demo.\n[agents.demo]\ndriver = "scripted"\ncommand = ${JSON.stringify(script)}\n\n[workspace]\nenv = ["CANOPY_DEMO_NODE"]\n`;
  await writeFile(join(repository, ".canopy", "config.toml"), config);
  await demoGit(repository, "add", "--all");
  await demoGit(repository, "commit", "--quiet", "--message", "Configure Canopy");
  return repository;
}

async function runDemo(options: DemoOptions, setExit: (code: number) => void): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), "canopy-demo-"));
  isolate(root);
  const repository = await setUp(root);
  process.chdir(repository);
  const isJson = options.json === true;
  const say = (text: string): void => {
    if (!isJson) printText(text);
  };
  try {
    say(
      `A small library with a bug, in ${repository}.\nTwelve tasks for ${options.concurrency} scripted agents at once; no key, no network.\n`,
    );
    const api = await openProjectApi(repository);
    const tasks: Json[] = DEMO_TASKS.map(({ key, title, description, taskType, priority, dependsOn }) => ({
      title,
      description,
      taskType,
      priority,
      externalReference: key,
      dependencies: dependsOn.map((on) => ({ on })),
    }));
    await api.ask("POST", "/tasks/import", { tasks });
    const request = { path: repository, agent: "demo", concurrency: options.concurrency };
    const { summary, wasInterrupted } = await runToEnd(api, request, isJson);
    if (wasInterrupted || !summary.ok) {
      say(formatSummary(summary));
      setExit(wasInterrupted ? 130 : 1);
      return;
    }
    const graph = await demoGit(repository, "log", "--graph", "--oneline", "--format=%h %s", "canopy/main");
    const report = await deliver(api, false);
    if (report.state !== "delivered") throw new CanopyError("deliver.blocked", formatDelivery(report));
    const proof = await countPassingTests(repository);
    if (isJson) {
      printJson({ ...summary, repository, graph: graph.trimEnd().split("\n"), delivery: report, proof });
      return;
    }
    printText(`${formatSummary(summary)}\n\nWhat landed on canopy/main:\n${graph}`);
    printText(`${formatDelivery(report)}\n${proof}\n`);
    printText(
      [
        "On your own repository, with your own agent:",
        "  cd your-repository",
        '  canopy task add "What you want done"',
        "  canopy run --agent claude            (or codex, gemini, opencode, acp:COMMAND, command:COMMAND)",
        "  canopy deliver",
        "",
        `canopy is ${join(import.meta.dirname, "../../bin/canopy")}; put its folder on your PATH, or link it.`,
        `The demo's repository stays in ${repository}.`,
      ].join("\n"),
    );
  } finally {
    await stopDemoDaemon();
    await rm(join(root, "canopy"), { recursive: true, force: true });
  }
}

/** `canopy demo`. */
export const registerDemo: RegisterCommands = (program, setExit) => {
  program
    .command("demo")
    .description("watch four scripted agents work on a small repository, and their work land; needs no key")
    .option("-c, --concurrency <count>", "how many agents at once", (text) => Number(text), 4)
    .option("--json", "print the summary as JSON")
    .addHelpText("after", "\nExample:\n  canopy demo")
    .action((options: DemoOptions) => runDemo(options, setExit));
};
