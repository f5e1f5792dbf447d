import { HOOK_AGENTS } from "@canopy/hooks";
import { Argument, Option } from "commander";
import { printJson, printNote, printText } from "../output/print.ts";
import type { RegisterCommands } from "../run-cli.ts";
import { runSetup } from "../setup/run-setup.ts";
import type { SetupChange, SetupReport, SetupTarget } from "../setup/run-setup.ts";

interface SetupFlags {
  readonly user?: boolean;
  readonly project?: boolean;
  readonly dryRun?: boolean;
  readonly uninstall?: boolean;
  readonly check?: boolean;
  readonly json?: boolean;
}

const TARGETS: readonly SetupTarget[] = [...HOOK_AGENTS, "git", "all"];
const FINE: ReadonlySet<SetupChange["change"]> = new Set(["created", "changed", "removed", "current"]);

function printReport(report: SetupReport, flags: SetupFlags): void {
  const isDryRun = flags.dryRun === true;
  const refused = report.changes.filter(({ change }) => change === "unreadable");
  if (isDryRun) {
    printText(report.diff === "" ? "nothing would change" : report.diff);
    for (const { agent, problem } of refused) printNote(`${agent}: ${problem}`);
  } else if (report.changes.length === 0)
    printText(flags.uninstall === true ? "nothing was set up" : "all is set up already");
  else
    for (const { agent, path, change, problem } of report.changes)
      printText(`${agent}: ${change} ${path}${problem === "" ? "" : ` (${problem})`}`);
  for (const note of report.notes) printNote(note);
}

/** `canopy setup`. */
export const registerSetup: RegisterCommands = (program, setExit) => {
  program
    .command("setup")
    .description(
      "have agents that you start yourself tell Canopy what they do, so that they see each other: merges hooks into their configuration",
    )
    .addArgument(
      new Argument(
        "<agent>",
        "whose configuration; `all` for every agent that is installed, and this repository's git hooks",
      ).choices(TARGETS),
    )
    .addOption(
      new Option("--user", "your own configuration, for all projects (the default)").conflicts("project"),
    )
    .option("--project", "this repository's configuration, which others get too; it has no secrets in it")
    .option("--dry-run", "show what would change, and change nothing")
    .addOption(
      new Option("--uninstall", "take it out again; files get their old bytes back").conflicts("check"),
    )
    .option("--check", "only say whether it is as it should be; exit code 1 when something is not")
    .option("--json", "print what was done as JSON")
    .addHelpText("after", "\nExample:\n  canopy setup all --dry-run\n  canopy setup all")
    .action((target: SetupTarget, flags: SetupFlags) => {
      const mode = flags.uninstall === true ? "uninstall" : flags.check === true ? "check" : "install";
      const report = runSetup(target, {
        scope: flags.project === true ? "project" : "user",
        mode,
        isDryRun: flags.dryRun === true,
      });
      if (flags.json === true) printJson({ ...report, dryRun: flags.dryRun === true });
      else printReport(report, flags);
      if (!report.changes.every(({ change }) => FINE.has(change))) setExit(1);
    });
};
