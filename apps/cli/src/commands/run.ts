import { randomUUID } from "node:crypto";
import type { Json, Run, RunPlan, Task } from "@canopy/protocol";
import type { RegisterCommands } from "../run-cli.ts";
import type { ProjectApi } from "../connection/project-api.ts";
import { openProjectApi, readField } from "../connection/project-api.ts";
import { sanitizeLine } from "../output/format.ts";
import { printNotices, printJson, printText } from "../output/print.ts";
import { formatTasks, taskToJson } from "../output/task-view.ts";
import { collectList, parseDurationArgument, parseWhole } from "../parse-arguments.ts";
import { followRun, stopRun } from "../run/follow-run.ts";
import type { ProgressDisplay } from "../run/progress-display.ts";
import { createPlainDisplay, createSilentDisplay, createTerminalDisplay } from "../run/progress-display.ts";
import { RunState } from "../run/run-state.ts";
import type { RunSummary } from "../run/summarize-run.ts";
import { exitCodeOf, formatSummary, summarizeRun } from "../run/summarize-run.ts";
import { deliver, formatDelivery } from "./deliver.ts";

/** What `canopy run` was asked for. */
export interface RunCommandOptions {
  readonly concurrency?: number;
  readonly agent?: string;
  readonly model?: string;
  readonly maxRetries?: number;
  readonly timeout?: number;
  readonly maxPriority?: number;
  readonly type?: string[];
  readonly excludeType?: string[];
  readonly label?: string[];
  readonly excludeLabel?: string[];
  readonly assignee?: string;
  readonly task?: string[];
  readonly watch?: boolean;
  readonly resolverAgent?: string;
  readonly resolverModel?: string;
  readonly repairAgent?: string;
  readonly repairModel?: string;
  readonly dryRun?: boolean;
  readonly deliver?: boolean;
  readonly json?: boolean;
}

function toRole(agent: string | undefined, model: string | undefined): Record<string, Json> | undefined {
  if (agent === undefined && model === undefined) return undefined;
  return { ...(agent === undefined ? {} : { agent }), ...(model === undefined ? {} : { model }) };
}

function toRoles(options: RunCommandOptions): Record<string, Json> | undefined {
  const resolver = toRole(options.resolverAgent, options.resolverModel);
  const repair = toRole(options.repairAgent, options.repairModel);
  if (resolver === undefined && repair === undefined) return undefined;
  return { ...(resolver === undefined ? {} : { resolver }), ...(repair === undefined ? {} : { repair }) };
}

function toRequest(options: RunCommandOptions): Record<string, Json> {
  const request: Record<string, Json | undefined> = {
    path: process.cwd(),
    concurrency: options.concurrency,
    agent: options.agent,
    model: options.model,
    maxRetries: options.maxRetries,
    timeoutMs: options.timeout,
    maxPriority: options.maxPriority,
    types: options.type,
    excludeTypes: options.excludeType,
    labels: options.label,
    excludeLabels: options.excludeLabel,
    assignee: options.assignee,
    tasks: options.task,
    watch: options.watch,
    roles: toRoles(options),
  };
  return Object.fromEntries(
    Object.entries(request).filter((entry): entry is [string, Json] => entry[1] !== undefined),
  );
}

async function createDisplay(state: RunState, isJson: boolean): Promise<ProgressDisplay> {
  if (isJson) return createSilentDisplay();
  if (!process.stdout.isTTY) return createPlainDisplay((text) => process.stdout.write(text));
  const { default: logUpdate } = await import("log-update");
  return createTerminalDisplay(state, {
    draw: (text) => (text === "" ? logUpdate.clear() : logUpdate(text)),
    print: (text) => logUpdate.persist(text),
    done: () => logUpdate.done(),
    get columns() {
      return process.stdout.columns;
    },
  });
}

/** Ctrl-C once starts nothing more; twice ends what runs; three times leaves the run to the daemon. */
function handleInterrupts(
  api: ProjectApi,
  state: RunState,
  display: ProgressDisplay,
): { count(): number; end(): void } {
  let count = 0;
  const onSignal = (): void => {
    count += 1;
    const { run } = state;
    if (run === null || count > 2) process.exit(130);
    display.note(
      count === 1
        ? "stopping: nothing more is started; Ctrl-C again ends the agents too (finished work is kept)"
        : "stopping now: agents are ended, their work is kept",
    );
    stopRun(api, run.runId, count === 1 ? "drain" : "now").catch(() => undefined);
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  return {
    count: () => count,
    end: () => {
      process.off("SIGINT", onSignal);
      process.off("SIGTERM", onSignal);
    },
  };
}

/** Why each open task that the run was meant for did not run. */
async function explainLeft(api: ProjectApi, state: RunState): Promise<ReadonlyMap<string, string>> {
  const reasons = new Map<string, string>();
  const waiting = [...state.tasks.values()].filter((task) => task.status === "open");
  for (const task of waiting.slice(0, 200)) {
    const detail = await api.ask("GET", `/tasks/${task.taskId}`);
    const why = readField<readonly { code: string; message: string }[]>(detail, "why");
    const blocked = why.find((reason) => reason.code === "blocked");
    if (blocked !== undefined) reasons.set(task.taskId, blocked.message);
  }
  return reasons;
}

/** Runs to the end and says what came of it. `wasInterrupted` when a person stopped it. */
export async function runToEnd(
  api: ProjectApi,
  request: Record<string, Json>,
  isJson: boolean,
): Promise<{ readonly summary: RunSummary; readonly wasInterrupted: boolean }> {
  // One key for this run: when the answer is lost with the daemon, asking again starts no second one.
  const key = `run-${randomUUID()}`;
  const state = new RunState();
  const display = await createDisplay(state, isJson);
  const interrupts = handleInterrupts(api, state, display);
  try {
    const run = await followRun({
      api,
      state,
      display,
      start: async () => {
        const started = await api.ask("POST", "/runs", request, key);
        printNotices(started);
        return readField<Run>(started, "run");
      },
    });
    const why = run.state === "completed" ? await explainLeft(api, state) : new Map<string, string>();
    return { summary: summarizeRun(state, run, why), wasInterrupted: interrupts.count() > 0 };
  } finally {
    interrupts.end();
    display.end();
  }
}

function formatPlan(plan: RunPlan): string {
  const lines = [
    `${plan.ready.length} ${plan.ready.length === 1 ? "task is" : "tasks are"} ready for ${sanitizeLine(plan.agent)}; their work would land on ${plan.integrationBranch}`,
    formatTasks(plan.ready),
  ];
  for (const { task, reason } of plan.passedOver)
    lines.push(`not #${task.number} ${sanitizeLine(task.title)}: ${sanitizeLine(reason)}`);
  return lines.join("\n");
}

async function dryRun(api: ProjectApi, request: Record<string, Json>, isJson: boolean): Promise<void> {
  const plan = (await api.ask("POST", "/runs/plan", request)) as RunPlan;
  if (!isJson) {
    printText(formatPlan(plan));
    return;
  }
  printJson({
    ...plan,
    ready: plan.ready.map((task) => taskToJson(task)),
    passedOver: plan.passedOver.map((item: { task: Task; reason: string }) => ({
      ...item,
      task: taskToJson(item.task),
    })),
  });
}

async function runCommand(options: RunCommandOptions, setExit: (code: number) => void): Promise<void> {
  const api = await openProjectApi();
  const request = toRequest(options);
  const isJson = options.json === true;
  if (options.dryRun === true) {
    await dryRun(api, request, isJson);
    return;
  }
  const { summary, wasInterrupted } = await runToEnd(api, request, isJson);
  const delivery = options.deliver === true && summary.landed.length > 0 ? await deliver(api, false) : null;
  if (isJson) printJson(delivery === null ? summary : { ...summary, delivery });
  else {
    printText(formatSummary(summary));
    if (delivery !== null) printText(formatDelivery(delivery));
  }
  if (wasInterrupted) setExit(130);
  else setExit(delivery?.state === "blocked" ? 1 : exitCodeOf(summary));
}

/** `canopy run`. */
export const registerRun: RegisterCommands = (program, setExit) => {
  program
    .command("run")
    .description("run every ready task, and those that become ready, and land their work")
    .option("-c, --concurrency <count>", "how many agents at once (default: 4)", parseWhole(1, 256))
    .option("--agent <name>", "a configured name, command:<shell command>, acp:<command> or scripted[:file]")
    .option("--model <name>", "the model that the agent shall use")
    .option(
      "--resolver-agent <name>",
      "who resolves conflicts (default: as [queue.resolver] says, or the same)",
    )
    .option("--resolver-model <name>", "with which model")
    .option(
      "--repair-agent <name>",
      "who mends what breaks the validation (default: as [queue.repair] says, or the same)",
    )
    .option("--repair-model <name>", "with which model")
    .option(
      "--max-retries <count>",
      "retries of a failed task; 0 means none (default: 3)",
      parseWhole(0, 100),
    )
    .option("--timeout <duration>", "longest one attempt may take (default: 30m)", parseDurationArgument)
    .option("--max-priority <number>", "only tasks of this priority or a more urgent one", parseWhole(0, 4))
    .option("-t, --type <type>", "only these types; repeatable", collectList)
    .option("--exclude-type <type>", "not these types; repeatable", collectList)
    .option("-l, --label <label>", "only tasks with one of these labels; repeatable", collectList)
    .option("--exclude-label <label>", "no tasks with these labels; repeatable", collectList)
    .option("--assignee <name>", "only tasks of this person")
    .option("--task <task>", "only these tasks; repeatable", collectList)
    .option("--watch", "go on with tasks that are added later, until Ctrl-C")
    .option("--dry-run", "only say what would run")
    .option("--deliver", "bring the landed work to your branch at the end")
    .option("--json", "print the summary as JSON")
    .addHelpText("after", "\nExample:\n  canopy run -c 8 --agent 'command:./my-agent.sh'")
    .action((options: RunCommandOptions) => runCommand(options, setExit));
};
