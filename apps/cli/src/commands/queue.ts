import type { Change, ChangeConflict, QueueView, Task } from "@canopy/protocol";
import type { Command } from "commander";
import { CanopyError, isCanopyError } from "@canopy/protocol/errors";
import type { RegisterCommands } from "../run-cli.ts";
import type { ProjectApi } from "../connection/project-api.ts";
import { openProjectApi, readField } from "../connection/project-api.ts";
import { formatAge, formatDuration, formatTable, sanitizeLine } from "../output/format.ts";
import { asJson, printJson, printText } from "../output/print.ts";
import { formatConflict } from "../queue/describe-conflict.ts";
import { findChange, listChanges, readTasks } from "../queue/find-change.ts";
import { describeState, formatChange } from "../queue/format-change.ts";
import { registerQueuePatches } from "./queue-patches.ts";
import { registerQueueRadar } from "./queue-radar.ts";
import { registerQueueResolve } from "./queue-resolve.ts";

interface JsonOption {
  readonly json?: boolean;
}

function parseQueue(value: unknown): QueueView {
  return value as QueueView;
}

function parseConflict(value: unknown): ChangeConflict {
  return value as ChangeConflict;
}

function formatRows(changes: readonly Change[], tasks: ReadonlyMap<string, Task>): string {
  const rows = changes.map((change) => [
    change.changeId,
    `#${tasks.get(change.taskId)?.number ?? "?"}`,
    change.state,
    String(change.filesChanged),
    formatAge(change.queuedAtMs, Date.now()),
    describeState(change) || sanitizeLine(tasks.get(change.taskId)?.title ?? ""),
  ]);
  return formatTable(["CHANGE", "TASK", "STATE", "FILES", "QUEUED", ""], rows);
}

function formatPauses(queue: QueueView): string[] {
  return queue.pauses.map(({ integrationRef, untilMs, reason }) => {
    const branch = sanitizeLine(integrationRef.replace("refs/heads/", ""));
    const until =
      untilMs === null ? "canopy queue resume" : `for ${formatDuration(Math.max(0, untilMs - Date.now()))}`;
    return `landing on ${branch} is paused (${until}): ${sanitizeLine(reason)}`;
  });
}

function formatNotes(queue: QueueView): string[] {
  const flaky = queue.flakySteps.map(({ step, count }) => `${sanitizeLine(step)} (${count})`);
  return [
    ...formatPauses(queue),
    ...(queue.trials.length === 0 ? [] : [`${queue.trials.length} validations are queued or at work`]),
    ...(flaky.length === 0 ? [] : [`flaky steps: ${flaky.join(", ")}`]),
    ...(queue.overlaps.length === 0
      ? []
      : [`${queue.overlaps.length} overlaps of running sessions: canopy queue radar`]),
  ];
}

/** What is on its way first, in landing order; then what stands aside. */
function sortChanges(changes: readonly Change[], order: readonly string[]): Change[] {
  const rank = (change: Change): number => {
    const at = order.indexOf(change.changeId);
    return at === -1 ? order.length : at;
  };
  return [...changes].sort((left, right) => rank(left) - rank(right));
}

async function showQueue(options: JsonOption & { all?: boolean }): Promise<void> {
  const api = await openProjectApi();
  const queue = parseQueue(await api.ask("GET", "/queue"));
  const shown = (await listChanges(api)).filter(
    (change) => options.all === true || (change.state !== "landed" && change.state !== "abandoned"),
  );
  const changes = sortChanges(shown, queue.order);
  if (options.json === true) {
    printJson({ changes, pauses: queue.pauses, flakySteps: queue.flakySteps });
    return;
  }
  const table = changes.length === 0 ? "nothing is waiting" : formatRows(changes, await readTasks(api));
  printText([table, ...formatNotes(queue)].join("\n"));
}

/** The conflict as it is now; null when there is none, or when the branch cannot be read. */
async function readConflictOf(api: ProjectApi, change: Change): Promise<ChangeConflict | null> {
  if (change.state !== "conflicted" && change.conflicts.length === 0) return null;
  if (change.state === "landed" || change.state === "abandoned") return null;
  try {
    return parseConflict(await api.ask("GET", `/changes/${change.changeId}/conflict`));
  } catch (error) {
    if (isCanopyError(error) && error.code === "git.failed") return null;
    throw error;
  }
}

async function showChange(reference: string, options: JsonOption): Promise<void> {
  const api = await openProjectApi();
  const change = await findChange(api, reference);
  const conflict = await readConflictOf(api, change);
  if (options.json === true) {
    printJson({ ...change, conflict });
    return;
  }
  const tasks = await readTasks(api);
  const files = change.conflicts.map((file) => `conflict ${sanitizeLine(file.path)} (${file.kind})`);
  printText(
    [
      ...formatChange(change, tasks),
      ...(conflict === null ? files : formatConflict(conflict, tasks)),
      `see it   git show ${change.commit}`,
    ].join("\n"),
  );
}

interface Verb {
  readonly name: "retry" | "eject" | "abandon" | "accept";
  readonly path: string;
  readonly done: string;
  readonly description: string;
}

const VERBS: readonly Verb[] = [
  {
    name: "retry",
    path: "requeue",
    done: "queued again",
    description: "put a change that stands aside back into the queue; its budgets start afresh",
  },
  {
    name: "eject",
    path: "eject",
    done: "ejected",
    description: "take a change out of the queue until it is tried again",
  },
  {
    name: "abandon",
    path: "abandon",
    done: "abandoned",
    description: "take a change out for good; its work is kept",
  },
  {
    name: "accept",
    path: "accept-loss",
    done: "accepted",
    description: "let a change land though it takes lines of others away",
  },
];

function registerVerb(queue: Command, verb: Verb): void {
  queue
    .command(verb.name)
    .argument("<change>", "a change's id, a part of it, or its task's number")
    .description(verb.description)
    .option("-r, --reason <text>", "why", "")
    .option("--json", "print what was done as JSON")
    .addHelpText("after", `\nExample:\n  canopy queue ${verb.name} 3k9d`)
    .action(async (reference: string, options: JsonOption & { reason: string }) => {
      const api = await openProjectApi();
      const { changeId } = await findChange(api, reference);
      const hasReason = verb.name === "eject" || verb.name === "abandon";
      const body = hasReason ? { reason: options.reason } : {};
      await api.ask("POST", `/changes/${changeId}/${verb.path}`, body);
      if (options.json === true) printJson({ changeId });
      else printText(`${verb.done}: ${changeId}`);
    });
}

interface SteerOptions extends JsonOption {
  readonly branch?: string;
  readonly reason?: string;
}

async function pause(reference: string | undefined, options: SteerOptions): Promise<void> {
  const api = await openProjectApi();
  const reason = options.reason ?? "";
  if (reference === undefined) {
    const branch = options.branch === undefined ? {} : { branch: options.branch };
    await steer(api, "pause", { ...branch, reason }, options);
    return;
  }
  if (options.branch !== undefined)
    throw new CanopyError("usage.invalid", "name a change or a branch, not both");
  const { changeId } = await findChange(api, reference);
  await api.ask("POST", `/changes/${changeId}/pause`, { reason });
  if (options.json === true) printJson({ changeId });
  else printText(`paused: ${changeId} (go on with: canopy queue retry ${changeId})`);
}

async function steer(
  api: ProjectApi,
  verb: "pause" | "resume",
  body: { readonly branch?: string; readonly reason?: string },
  options: JsonOption,
): Promise<void> {
  const answer = await api.ask("POST", `/queue/${verb}`, asJson(body));
  const branches = readField<string[]>(answer, "branches");
  const requeuedCount = readField<number>(answer, "requeuedCount");
  if (options.json === true) {
    printJson({ branches, requeuedCount });
    return;
  }
  const names = branches.map((branch) => sanitizeLine(branch)).join(", ");
  const again = requeuedCount > 0 ? `; ${requeuedCount} changes are tried again` : "";
  if (names === "") printText("no branch has changes or a pause");
  else printText(`landing on ${names} ${verb === "pause" ? "is paused" : "goes on"}${again}`);
}

interface ReorderOptions extends JsonOption {
  readonly first?: boolean;
  readonly last?: boolean;
  readonly before?: string;
}

async function reorder(reference: string, options: ReorderOptions): Promise<void> {
  const chosen = [options.first === true, options.last === true, options.before !== undefined];
  if (chosen.filter(Boolean).length !== 1)
    throw new CanopyError("usage.invalid", "say one of --first, --last and --before CHANGE");
  const api = await openProjectApi();
  const { changeId } = await findChange(api, reference);
  const edge = options.first === true ? "first" : "last";
  const to =
    options.before === undefined ? edge : { before: (await findChange(api, options.before)).changeId };
  await api.ask("POST", `/changes/${changeId}/reorder`, { to });
  if (options.json === true) printJson({ changeId });
  else printText(`reordered: ${changeId}`);
}

function registerSteering(queue: Command): void {
  queue
    .command("pause")
    .argument("[change]", "hold only this change back")
    .description("nothing lands until it is resumed, or one change is held back")
    .option("-b, --branch <name>", "only on this branch; default: all that have changes")
    .option("-r, --reason <text>", "why", "")
    .option("--json", "print what was paused as JSON")
    .addHelpText("after", '\nExample:\n  canopy queue pause --reason "release in progress"')
    .action(pause);
  queue
    .command("resume")
    .description("landing goes on, and what was blocked is tried again")
    .option("-b, --branch <name>", "only on this branch; default: all")
    .option("--json", "print what was resumed as JSON")
    .addHelpText("after", "\nExample:\n  canopy queue resume")
    .action(async (options: SteerOptions) => {
      const branch = options.branch === undefined ? {} : { branch: options.branch };
      await steer(await openProjectApi(), "resume", branch, options);
    });
  queue
    .command("reorder")
    .argument("<change>", "a waiting change")
    .description("put a waiting change before all others, behind them, or right before another one")
    .option("--first", "before all others")
    .option("--last", "behind all others")
    .option("--before <change>", "right before this one")
    .option("--json", "print what was done as JSON")
    .addHelpText("after", "\nExample:\n  canopy queue reorder 3k9d --first")
    .action(reorder);
}

/** `canopy queue ...`. */
export const registerQueue: RegisterCommands = (program) => {
  const queue = program
    .command("queue")
    .description("changes on their way to the integration branch")
    .addHelpText("after", "\nExample:\n  canopy queue");
  queue
    .command("list", { isDefault: true })
    .description("list changes in landing order, then those that stand aside")
    .option("-a, --all", "landed and abandoned ones too")
    .option("--json", "print them as JSON")
    .addHelpText("after", "\nExample:\n  canopy queue list --all")
    .action(showQueue);
  queue
    .command("show")
    .argument("<change>", "a change's id, a part of it, or its task's number")
    .description(
      "show one change: state, what was tried for it, conflicting files and what each choice means",
    )
    .option("--json", "print it as JSON")
    .addHelpText("after", "\nExample:\n  canopy queue show 3k9d")
    .action(showChange);
  for (const verb of VERBS) registerVerb(queue, verb);
  registerSteering(queue);
  registerQueueResolve(queue);
  registerQueuePatches(queue);
  registerQueueRadar(queue);
};
