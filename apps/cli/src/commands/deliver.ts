import type { DeliverReport } from "@canopy/protocol";
import type { RegisterCommands } from "../run-cli.ts";
import type { ProjectApi } from "../connection/project-api.ts";
import { openProjectApi, readField } from "../connection/project-api.ts";
import { listRuleChanges } from "../deliver/list-rule-changes.ts";
import { listReviewCommits, pushForReview } from "../deliver/push-for-review.ts";
import type { PushResult } from "../deliver/push-for-review.ts";
import { buildReviewText } from "../deliver/review-body.ts";
import type { ReviewState } from "../deliver/review-body.ts";
import { sanitizeLine, sanitizeText } from "../output/format.ts";
import { printJson, printText } from "../output/print.ts";

/** A delivery, and which of its files tell programs of the person's what to run or what they may. */
export interface Delivery extends DeliverReport {
  readonly rulesChanged: readonly string[];
}

/** Brings landed work to the user's branch, or says what stands in the way. */
export async function deliver(api: ProjectApi, isDryRun: boolean): Promise<Delivery> {
  const cwd = process.cwd();
  const report = (await api.ask("POST", "/deliver", { path: cwd, dryRun: isDryRun })) as DeliverReport;
  return { ...report, rulesChanged: await listRuleChanges(report, cwd) };
}

/** What came of a delivery, for people. */
export function formatDelivery(report: Delivery): string {
  return [formatOutcome(report), ...formatRules(report.rulesChanged)].join("\n");
}

function formatOutcome(report: DeliverReport): string {
  const commits = `${report.commitCount} ${report.commitCount === 1 ? "commit" : "commits"}`;
  switch (report.state) {
    case "delivered":
      return `delivered ${commits}: ${report.branch} is now at ${report.toCommit?.slice(0, 12) ?? ""}`;
    case "nothing-to-deliver":
      return `nothing to deliver: ${report.branch} has everything that landed`;
    case "ready":
      return `${commits} of ${report.integrationBranch} can be delivered to ${report.branch}`;
    default:
      return [
        `not delivered: ${commits} wait on ${report.integrationBranch}; nothing was changed`,
        ...report.blockers.flatMap((blocker) => [
          `  ${sanitizeLine(blocker.message)}`,
          `    ${sanitizeLine(blocker.hint)}`,
        ]),
        ...report.conflicts.map((file) => `  conflict: ${sanitizeLine(file.path)} (${file.kind})`),
      ].join("\n");
  }
}

function formatRules(paths: readonly string[]): string[] {
  if (paths.length === 0) return [];
  const names = paths.slice(0, 20).map((path) => sanitizeLine(path));
  const more = paths.length > names.length ? ` and ${paths.length - names.length} more` : "";
  return [`READ FIRST, for they tell your tools what to run and what agents may: ${names.join(", ")}${more}`];
}

interface Review {
  readonly state: "nothing-to-deliver" | "ready" | PushResult["state"];
  readonly branch: string;
  readonly integrationBranch: string;
  readonly remote: string | null;
  readonly url: string | null;
  readonly problem: string | null;
  readonly title: string;
  readonly body: string;
}

function parseState(value: unknown): ReviewState {
  return value as ReviewState;
}

/** Pushes landed work and opens a pull request for it. */
async function review(api: ProjectApi, isDryRun: boolean): Promise<Review> {
  const { branch, integrationBranch, toCommit } = await deliver(api, true);
  const place = { cwd: process.cwd(), environment: process.env };
  const commits = toCommit === null ? [] : await listReviewCommits(place, branch, integrationBranch);
  const state = parseState(readField(await api.ask("GET", "/state"), "state"));
  const text = buildReviewText(state, commits);
  const still = { branch, integrationBranch, remote: null, url: null, problem: null, ...text };
  if (commits.length === 0) return { ...still, state: "nothing-to-deliver" };
  if (isDryRun) return { ...still, state: "ready" };
  return { ...still, ...(await pushForReview({ ...place, branch, integrationBranch, text })) };
}

function formatReview(done: Review): string {
  const text = `${done.title}\n\n${sanitizeText(done.body).trimEnd()}`;
  switch (done.state) {
    case "nothing-to-deliver":
      return `nothing to deliver: ${done.branch} has everything that landed`;
    case "ready":
      return `would push ${done.integrationBranch} and open a pull request into ${done.branch}:\n\n${text}`;
    case "pushed": {
      const why = done.problem === null ? "gh is not there" : sanitizeLine(done.problem);
      const pushed = `pushed ${done.integrationBranch} to ${done.remote ?? ""}`;
      return `${pushed}; no pull request was opened (${why}). Its text:\n\n${text}`;
    }
    default:
      return `${done.state} a pull request of ${done.integrationBranch} into ${done.branch}: ${done.url ?? ""}`;
  }
}

/** `canopy deliver`. */
export const registerDeliver: RegisterCommands = (program, setExit) => {
  program
    .command("deliver")
    .description(
      "bring landed work to your branch: a fast-forward, or the exact reason why not; never a stash or reset",
    )
    .option("--dry-run", "only say what would happen")
    .option("--pr", "push the integration branch with your own git, and open a pull request with your own gh")
    .option("--json", "print what happened as JSON")
    .addHelpText("after", "\nExample:\n  canopy deliver --dry-run")
    .action(async (options: { dryRun?: boolean; json?: boolean; pr?: boolean }) => {
      if (options.pr === true) {
        const done = await review(await openProjectApi(), options.dryRun === true);
        if (options.json === true) printJson(done);
        else printText(formatReview(done));
        if (done.problem !== null) setExit(1);
        return;
      }
      const report = await deliver(await openProjectApi(), options.dryRun === true);
      if (options.json === true) printJson(report);
      else printText(formatDelivery(report));
      if (report.state === "blocked") setExit(1);
    });
};
