import type { DeliverReport } from "@canopy/protocol";
import type { RegisterCommands } from "../run-cli.ts";
import type { ProjectApi } from "../connection/project-api.ts";
import { openProjectApi } from "../connection/project-api.ts";
import { sanitizeLine } from "../output/format.ts";
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

/** `canopy deliver`. */
export const registerDeliver: RegisterCommands = (program, setExit) => {
  program
    .command("deliver")
    .description(
      "bring landed work to your branch: a fast-forward, or the exact reason why not; never a stash or reset",
    )
    .option("--dry-run", "only say what would happen")
    .option("--json", "print what happened as JSON")
    .addHelpText("after", "\nExample:\n  canopy deliver --dry-run")
    .action(async (options: { dryRun?: boolean; json?: boolean }) => {
      const report = await deliver(await openProjectApi(), options.dryRun === true);
      if (options.json === true) printJson(report);
      else printText(formatDelivery(report));
      if (report.state === "blocked") setExit(1);
    });
};
