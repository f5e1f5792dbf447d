import type { Attempt, Overlap, QueueView, Task } from "@canopy/protocol";
import type { Command } from "commander";
import type { ProjectApi } from "../connection/project-api.ts";
import { openProjectApi, readField } from "../connection/project-api.ts";
import { formatAge, formatTable, sanitizeLine } from "../output/format.ts";
import { printJson, printText } from "../output/print.ts";
import { readTasks } from "../queue/find-change.ts";

const MAX_FILES = 4;

function parseQueue(value: unknown): QueueView {
  return value as QueueView;
}

/** Names a running session by its task; the branch has none. */
function createNames(
  attempts: readonly Attempt[],
  tasks: ReadonlyMap<string, Task>,
): (attemptId: string | null) => string {
  const byId = new Map<string, Attempt>(attempts.map((attempt) => [attempt.attemptId, attempt]));
  return (attemptId) => {
    if (attemptId === null) return "the branch";
    const task = tasks.get(byId.get(attemptId)?.taskId ?? "");
    return task === undefined ? attemptId : `#${task.number} ${sanitizeLine(task.title)}`;
  };
}

function formatFiles({ files }: Overlap): string {
  const shown = files.slice(0, MAX_FILES).map((file) => `${sanitizeLine(file.path)} (${file.kind})`);
  return files.length > MAX_FILES
    ? `${shown.join(", ")} and ${files.length - MAX_FILES} more`
    : shown.join(", ");
}

/** Who overlaps with whom in which files; both sides may have told of the same overlap, it is shown once. */
export function formatRadar(
  overlaps: readonly Overlap[],
  attempts: readonly Attempt[],
  tasks: ReadonlyMap<string, Task>,
): string {
  if (overlaps.length === 0) return "no running sessions overlap";
  const nameOf = createNames(attempts, tasks);
  const seen = new Set<string>();
  const rows: string[][] = [];
  for (const overlap of overlaps) {
    const pair = [overlap.attemptId, overlap.other ?? ""].sort().join(" ");
    if (seen.has(pair)) continue;
    seen.add(pair);
    const since = formatAge(overlap.sinceMs, Date.now());
    rows.push([nameOf(overlap.attemptId), nameOf(overlap.other), since, formatFiles(overlap)]);
  }
  return formatTable(["SESSION", "MEETS", "SINCE", "FILES"], rows);
}

async function showRadar(api: ProjectApi, isJson: boolean): Promise<void> {
  const { overlaps } = parseQueue(await api.ask("GET", "/queue"));
  if (isJson) {
    printJson({ overlaps });
    return;
  }
  const attempts = readField<Attempt[]>(await api.ask("GET", "/attempts?active=true"), "attempts");
  printText(formatRadar(overlaps, attempts, await readTasks(api)));
}

/** `canopy queue radar`. */
export function registerQueueRadar(queue: Command): void {
  queue
    .command("radar")
    .description("show which running sessions touch the same files as the branch or each other")
    .option("--json", "print the overlaps as JSON")
    .addHelpText("after", "\nExample:\n  canopy queue radar")
    .action(async (options: { json?: boolean }) => showRadar(await openProjectApi(), options.json === true));
}
