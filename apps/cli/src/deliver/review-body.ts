import type { Attempt, Change, Dependency, Task } from "@canopy/protocol";
import { sanitizeLine } from "../output/format.ts";

/** What the project room holds, as far as a pull request's text needs it. */
export interface ReviewState {
  readonly tasks: readonly Task[];
  readonly dependencies: readonly Dependency[];
  readonly attempts: readonly Attempt[];
  readonly changes: readonly Change[];
}

/** What a pull request says. */
export interface ReviewText {
  readonly title: string;
  readonly body: string;
}

/** Text of unknown origin as plain words of Markdown: no links, images, mentions or HTML. */
function plain(text: string): string {
  return sanitizeLine(text)
    .replaceAll(/[\\`*_[\]<>#|~!]/g, "\\$&")
    .replaceAll("@", "@\u200B")
    .trim();
}

/** An agent's name without its command line, which may hold secrets. */
function nameOfAgent(attempt: Attempt | undefined): string {
  if (attempt === undefined) return "unknown";
  const [kind = ""] = attempt.agent.split(":");
  return attempt.model === null ? kind : `${kind} (${attempt.model})`;
}

function listFollowUps(state: ReviewState, landed: ReadonlySet<string>): Task[] {
  const ids = new Set<string>(
    state.dependencies
      .filter((item) => item.kind === "discovered-from" && landed.has(item.dependsOnId))
      .map((item) => item.taskId),
  );
  return state.tasks.filter((task) => ids.has(task.taskId) && task.status !== "closed");
}

function listChanges(state: ReviewState, commits: readonly string[]): Change[] {
  const byCommit = new Map(state.changes.map((change) => [change.landedCommit, change]));
  return commits.flatMap((commit) => byCommit.get(commit) ?? []);
}

/** Title and text of a pull request for these commits of the integration branch, oldest first. */
export function buildReviewText(state: ReviewState, commits: readonly string[]): ReviewText {
  const changes = listChanges(state, commits);
  const tasks = new Map<string, Task>(state.tasks.map((task) => [task.taskId, task]));
  const attempts = new Map<string, Attempt>(state.attempts.map((item) => [item.attemptId, item]));
  const lines = changes.map((change) => {
    const task = tasks.get(change.taskId);
    const title = task === undefined ? change.taskId : `${plain(task.title)} (task ${task.number})`;
    const agent = plain(nameOfAgent(attempts.get(change.attemptId)));
    return `- ${title}: ${change.landedCommit?.slice(0, 12) ?? ""}, by ${agent}`;
  });
  const others = commits.length - changes.length;
  const [only] = changes;
  const single = changes.length === 1 && only !== undefined ? tasks.get(only.taskId)?.title : undefined;
  const followUps = listFollowUps(state, new Set(changes.map((change) => change.taskId)));
  const body = [
    "## Changes",
    "",
    ...(lines.length === 0 ? ["None of a task."] : lines),
    ...(others > 0 ? ["", `And ${others} ${others === 1 ? "commit" : "commits"} that came otherwise.`] : []),
    ...(followUps.length === 0
      ? []
      : [
          "",
          "## Follow-ups",
          "",
          ...followUps.map((task) => `- ${plain(task.title)} (task ${task.number})`),
        ]),
    "",
  ];
  return {
    title: single === undefined ? `${changes.length} tasks by Canopy` : sanitizeLine(single).slice(0, 200),
    body: body.join("\n"),
  };
}
