import type { DeliverReport } from "@canopy/protocol";
import type { RegisterCommands } from "../run-cli.ts";
import type { ProjectApi } from "../connection/project-api.ts";
import { openProjectApi, readField } from "../connection/project-api.ts";
import { listReviewCommits, pushForReview } from "../deliver/push-for-review.ts";
import type { PushResult } from "../deliver/push-for-review.ts";
import { buildReviewText } from "../deliver/review-body.ts";
import type { ReviewState } from "../deliver/review-body.ts";
import { sanitizeLine, sanitizeText } from "../output/format.ts";
import { printJson, printText } from "../output/print.ts";

/** Brings landed work to the user's branch, or says what stands in the way. */
export async function deliver(api: ProjectApi, isDryRun: boolean): Promise<DeliverReport> {
  return (await api.ask("POST", "/deliver", { path: process.cwd(), dryRun: isDryRun })) as DeliverReport;
}

/** What came of a delivery, for people. */
export function formatDelivery(report: DeliverReport): string {
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
