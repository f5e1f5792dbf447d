import type { Change, LadderRung, Task } from "@canopy/protocol";
import { formatCost, formatDuration, sanitizeLine } from "../output/format.ts";

const RUNGS: Readonly<Record<LadderRung, string>> = {
  identical: "one side had it all",
  "three-way": "three-way merge",
  driver: "merge driver",
  regenerate: "generated files made anew",
  "hand-back": "the session that wrote it",
  resolver: "a resolver",
  redo: "the whole task once more",
  repair: "a repair agent",
  person: "a person",
};
const MAX_PATHS = 5;

/** A rung of the ladder in words. */
export function nameRung(rung: LadderRung): string {
  return RUNGS[rung];
}

/** What is being done for a stuck change, or null when nothing is. */
export function describeWork(change: Change): string | null {
  const { work } = change;
  if (work === null) return null;
  if (work.rung === "regenerate") return "its generated files are made anew";
  const who = nameRung(work.rung);
  return work.attemptId === null ? `${who} will work on it` : `${who} works on it`;
}

/** Why a change is where it is, in one line: what is done for it, else its files, else its reason. */
export function describeState(change: Change): string {
  const files = change.conflicts.map((file) => sanitizeLine(file.path)).join(", ");
  const reason = sanitizeLine(change.reason ?? "");
  const what = change.state === "conflicted" || reason === "" ? files : reason;
  const work = describeWork(change);
  return [what, work ?? ""].filter((part) => part !== "").join("; ");
}

function listPaths(paths: readonly string[]): string {
  const shown = paths.slice(0, MAX_PATHS).map((path) => sanitizeLine(path));
  return paths.length > MAX_PATHS
    ? `${shown.join(", ")} and ${paths.length - MAX_PATHS} more`
    : shown.join(", ");
}

function formatLadder(change: Change): string[] {
  return change.ladder.map((step) => {
    const parts = [
      `${nameRung(step.rung)}: ${step.outcome}`,
      sanitizeLine(step.detail),
      listPaths(step.paths),
      step.durationMs > 0 ? formatDuration(step.durationMs) : "",
      step.costUsd === null ? "" : formatCost(step.costUsd),
      step.attemptId ?? "",
    ];
    return `tried    ${parts.filter((part) => part !== "").join(" · ")}`;
  });
}

function formatLost(change: Change): string[] {
  if (change.lostLines.length === 0) return [];
  return [
    ...change.lostLines.flatMap(({ path, lines, count }) => [
      `lost     ${sanitizeLine(path)}: ${count} ${count === 1 ? "line" : "lines"} of others would go away`,
      ...lines.map((line) => `           - ${sanitizeLine(line)}`),
    ]),
    `accept   canopy queue accept ${change.changeId}`,
  ];
}

/** One change for people: where it is and why, and what was tried for it. */
export function formatChange(change: Change, tasks: ReadonlyMap<string, Task>): string[] {
  const task = tasks.get(change.taskId);
  const work = describeWork(change);
  const number = (taskId: string): string => `#${tasks.get(taskId)?.number ?? "?"}`;
  return [
    `${change.changeId}  ${change.state}`,
    `task     ${task === undefined ? change.taskId : `#${task.number} ${sanitizeLine(task.title)} (${change.taskId})`}`,
    `attempt  ${change.attemptId}`,
    `commit   ${change.commit} on ${change.baseCommit}`,
    `branch   ${change.integrationRef.replace("refs/heads/", "")}`,
    ...(change.scopes === null
      ? []
      : [`scopes   ${change.scopes.map((scope) => sanitizeLine(scope)).join(", ")}`]),
    ...(change.landedCommit === null ? [] : [`landed   ${change.landedCommit}`]),
    ...(change.reason === null ? [] : [`reason   ${sanitizeLine(change.reason)}`]),
    ...(change.blockedBy.length === 0 ? [] : [`waits    for ${change.blockedBy.map(number).join(", ")}`]),
    ...(work === null ? [] : [`now      ${work}`]),
    ...formatLadder(change),
    ...formatLost(change),
  ];
}
