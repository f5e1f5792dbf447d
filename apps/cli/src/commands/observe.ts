import type { Attempt, Run, RunDetail, Task } from "@canopy/protocol";
import { CanopyError } from "@canopy/protocol/errors";
import type { RegisterCommands } from "../run-cli.ts";
import type { ProjectApi } from "../connection/project-api.ts";
import { openProjectApi, readField } from "../connection/project-api.ts";
import { formatAge, formatCost, formatDuration, formatTable, sanitizeLine } from "../output/format.ts";
import { printJson, printText } from "../output/print.ts";
import { parseDurationArgument, parseWhole } from "../parse-arguments.ts";

interface JsonOption {
  readonly json?: boolean;
}

async function taskTitles(api: ProjectApi): Promise<ReadonlyMap<string, Task>> {
  const tasks = readField<Task[]>(await api.ask("GET", "/tasks"), "tasks");
  return new Map(tasks.map((task) => [task.taskId, task]));
}

async function showAttempts(options: JsonOption): Promise<void> {
  const api = await openProjectApi();
  const attempts = readField<Attempt[]>(await api.ask("GET", "/attempts?active=true"), "attempts");
  const tasks = await taskTitles(api);
  const now = Date.now();
  const view = attempts.map((attempt) => ({
    attemptId: attempt.attemptId,
    taskId: attempt.taskId,
    taskTitle: tasks.get(attempt.taskId)?.title ?? "",
    runId: attempt.runId,
    sessionId: attempt.sessionId,
    agent: attempt.agent,
    state: attempt.state,
    number: attempt.number,
    startedAtMs: attempt.startedAtMs,
    durationMs: attempt.startedAtMs === null ? 0 : now - attempt.startedAtMs,
  }));
  if (options.json === true) {
    printJson({ attempts: view });
    return;
  }
  if (view.length === 0) {
    printText("no agent is running");
    return;
  }
  const rows = view.map((item) => [
    item.attemptId,
    `#${tasks.get(item.taskId)?.number ?? "?"}`,
    sanitizeLine(item.agent),
    item.state,
    formatDuration(item.durationMs),
    sanitizeLine(item.taskTitle),
  ]);
  printText(formatTable(["ATTEMPT", "TASK", "AGENT", "STATE", "TIME", "TITLE"], rows));
}

async function findRun(api: ProjectApi, reference: string): Promise<RunDetail> {
  const runs = readField<Run[]>(await api.ask("GET", "/runs?limit=1000"), "runs");
  const fitting = runs.filter((run) => run.runId === reference || run.runId.includes(reference));
  const [only] = fitting;
  if (only === undefined) throw new CanopyError("thing.not-found", `no run '${reference}'`);
  if (fitting.length > 1 && only.runId !== reference) {
    throw new CanopyError("thing.ambiguous", `'${reference}' fits several runs`, {
      hint: "give more of the id",
    });
  }
  return (await api.ask("GET", `/runs/${only.runId}`)) as RunDetail;
}

function formatRuns(runs: readonly Run[]): string {
  if (runs.length === 0) return "no runs yet";
  const now = Date.now();
  const rows = runs.map((run) => [
    run.runId,
    run.state,
    formatAge(run.startedAtMs, now),
    formatDuration((run.finishedAtMs ?? now) - run.startedAtMs),
    String(run.totals.landed),
    String(run.totals.failed + run.totals.conflicted),
    formatCost(run.totals.usage.costUsd),
    sanitizeLine(run.options.agent),
  ]);
  return formatTable(["RUN", "STATE", "STARTED", "TOOK", "LANDED", "NOT LANDED", "COST", "AGENT"], rows);
}

function formatRunDetail({ run, attempts }: RunDetail, tasks: ReadonlyMap<string, Task>): string {
  const rows = attempts.map((attempt) => [
    `#${tasks.get(attempt.taskId)?.number ?? "?"}`,
    String(attempt.number),
    attempt.attemptId,
    attempt.state,
    attempt.startedAtMs === null || attempt.endedAtMs === null
      ? "-"
      : formatDuration(attempt.endedAtMs - attempt.startedAtMs),
    attempt.failure === null
      ? sanitizeLine(tasks.get(attempt.taskId)?.title ?? "")
      : `${attempt.failure.cause}: ${sanitizeLine(attempt.failure.message)}`,
  ]);
  return `${formatRuns([run])}\n\n${formatTable(["TASK", "TRY", "ATTEMPT", "STATE", "TOOK", ""], rows)}`;
}

async function showHistory(
  reference: string | undefined,
  options: JsonOption & { since?: number; limit: number },
): Promise<void> {
  const api = await openProjectApi();
  if (reference !== undefined) {
    const detail = await findRun(api, reference);
    if (options.json === true) printJson(detail);
    else printText(formatRunDetail(detail, await taskTitles(api)));
    return;
  }
  const query = new URLSearchParams({ limit: String(options.limit) });
  if (options.since !== undefined) query.set("since", String(Date.now() - options.since));
  const runs = readField<Run[]>(await api.ask("GET", `/runs?${query.toString()}`), "runs");
  if (options.json === true) printJson({ runs });
  else printText(formatRuns(runs));
}

interface Stats {
  readonly runCount: number;
  readonly tasksByStatus: Readonly<Record<string, number>>;
  readonly attemptsByState: Readonly<Record<string, number>>;
  readonly failuresByCause: Readonly<Record<string, number>>;
  readonly changesByState: Readonly<Record<string, number>>;
  readonly filesChanged: number;
  readonly usage: {
    readonly inputTokens: number;
    readonly outputTokens: number;
    readonly costUsd: number | null;
  };
  readonly attemptDurationMs: { readonly count: number; readonly p50: number; readonly p95: number };
  readonly queueWaitMs: { readonly count: number; readonly p50: number; readonly p95: number };
}

function formatCounts(counts: Readonly<Record<string, number>>): string {
  const parts = Object.entries(counts).map(([name, count]) => `${count} ${name}`);
  return parts.length === 0 ? "none" : parts.join(", ");
}

function formatStats(stats: Stats): string {
  return formatTable(
    ["", ""],
    [
      ["runs", String(stats.runCount)],
      ["tasks", formatCounts(stats.tasksByStatus)],
      ["attempts", formatCounts(stats.attemptsByState)],
      ["failures", formatCounts(stats.failuresByCause)],
      ["changes", `${formatCounts(stats.changesByState)}; ${stats.filesChanged} files landed`],
      [
        "attempt time",
        `p50 ${formatDuration(stats.attemptDurationMs.p50)}, p95 ${formatDuration(stats.attemptDurationMs.p95)}`,
      ],
      [
        "queue wait",
        `p50 ${formatDuration(stats.queueWaitMs.p50)}, p95 ${formatDuration(stats.queueWaitMs.p95)}`,
      ],
      ["tokens", `${stats.usage.inputTokens} in, ${stats.usage.outputTokens} out`],
      ["cost", formatCost(stats.usage.costUsd)],
    ],
  ).trimStart();
}

/** `canopy ps`, `kill`, `history`, `stats`. */
export const registerObserve: RegisterCommands = (program) => {
  program
    .command("ps")
    .description("list the agents that are at work")
    .option("--json", "print them as JSON")
    .addHelpText("after", "\nExample:\n  canopy ps")
    .action(showAttempts);
  program
    .command("kill")
    .argument("<attempt-or-task>", "an attempt's id, a task's id or number, or a part of an id")
    .description("end one agent; what it did is kept, and this run does not try the task again")
    .option("--json", "print what was ended as JSON")
    .addHelpText("after", "\nExample:\n  canopy kill 12")
    .action(async (target: string, options: JsonOption) => {
      const api = await openProjectApi();
      const answer = await api.ask(
        "POST",
        `/attempts/${encodeURIComponent(target.replace(/^#/, ""))}/kill`,
        {},
      );
      if (options.json === true) printJson(answer as object);
      else printText(`ending ${readField<string>(answer, "attemptId")}`);
    });
  program
    .command("history")
    .argument("[run]", "a run's id or a part of it, for its attempts")
    .description("list runs, newest first, or the attempts of one")
    .option("--since <duration>", "only the last 24h, 7d, ...", parseDurationArgument)
    .option("-n, --limit <count>", "at most so many", parseWhole(1, 100_000), 20)
    .option("--json", "print them as JSON")
    .addHelpText("after", "\nExample:\n  canopy history --since 7d")
    .action(showHistory);
  program
    .command("stats")
    .description("totals: tasks, attempts, failures by cause, times, tokens, cost")
    .option("--since <duration>", "only the last 24h, 7d, ...", parseDurationArgument)
    .option("--json", "print them as JSON")
    .addHelpText("after", "\nExample:\n  canopy stats --since 24h")
    .action(async (options: JsonOption & { since?: number }) => {
      const api = await openProjectApi();
      const query = options.since === undefined ? "" : `?since=${Date.now() - options.since}`;
      const stats = (await api.ask("GET", `/stats${query}`)) as Stats;
      if (options.json === true) printJson(stats);
      else printText(formatStats(stats));
    });
};
