import { writeFile } from "node:fs/promises";
import type { BoardIssue, BoardRequestInput, Json } from "@canopy/protocol";
import type { Command } from "commander";
import { Option } from "commander";
import { printNote, printText } from "../output/print.ts";
import { collectList } from "../parse-arguments.ts";
import { readTextFile } from "../read-text-file.ts";
import type { BdCall } from "./bd-command.ts";
import { addBdCommand, listArguments, onCall } from "./bd-command.ts";
import { readMember } from "./filter-issues.ts";
import { showWord } from "./format-issues.ts";
import { openBoard } from "./open-board.ts";
import { parseIssueLines } from "./parse-issue-lines.ts";

/** What is counted for lists, and follows from the other issues. */
const COUNTED: ReadonlySet<string> = new Set(["dependency_count", "dependent_count", "comment_count"]);

function toLine(issue: BoardIssue): string {
  return JSON.stringify(
    Object.fromEntries(Object.entries(issue.record).filter(([name]) => !COUNTED.has(name))),
  );
}

interface ExportOptions {
  readonly output?: string;
  readonly status?: string[];
}

function registerExport(bd: Command, setExit: (code: number) => void): void {
  const command = addBdCommand(bd, "export", "write all issues as JSON Lines", "export -o issues.jsonl")
    .option("-o, --output <file>", "where to (default: standard output)")
    .option("-s, --status <statuses>", "only those in these states", collectList)
    .addOption(new Option("-f, --format <format>").choices(["jsonl"]).hideHelp())
    .addOption(new Option("--all").hideHelp())
    .addOption(new Option("--force").hideHelp());
  onCall<ExportOptions>(command, setExit, async (call) => {
    const { output, status } = call.options;
    const board = await call.board();
    const issues = await board.read({
      withComments: true,
      ...(status === undefined ? {} : { statuses: status }),
    });
    const text = issues.map((issue) => `${toLine(issue)}\n`).join("");
    if (output === undefined || output === "-") {
      process.stdout.write(text);
      return;
    }
    await writeFile(output, text);
    call.show(
      { exported: issues.length, file: output },
      () => `exported ${issues.length} issues to ${output}`,
    );
  });
}

interface ImportOptions {
  readonly input?: string;
  readonly dryRun?: boolean;
}

function readCount(answer: Readonly<Record<string, Json>>, name: string): number {
  const value = answer[name];
  return typeof value === "number" ? value : 0;
}

async function importIssues(call: BdCall<ImportOptions>): Promise<void> {
  const file = listArguments(call)[0] ?? call.options.input ?? "-";
  const { issues, otherCount } = parseIssueLines(await readTextFile(file), file);
  const board = await call.board();
  if (call.options.dryRun === true) {
    const known = new Set((await board.read()).map((issue) => readMember(issue, "id")));
    const updated = issues.filter(({ id }) => typeof id === "string" && known.has(id)).length;
    const plan = { created: issues.length - updated, updated, dry_run: true };
    call.show(plan, () => `would add ${plan.created} and look at ${plan.updated} issues`);
    return;
  }
  const command = { type: "issue.import", issues } as unknown as BoardRequestInput["command"];
  const answer = issues.length === 0 ? {} : await board.send(command);
  const skipped = Array.isArray(answer["skipped"]) ? answer["skipped"] : [];
  const result = {
    created: readCount(answer, "createdCount"),
    updated: readCount(answer, "updatedCount"),
    unchanged: readCount(answer, "unchangedCount"),
    skipped_dependencies: skipped,
    other_lines: otherCount,
  };
  call.show(
    result,
    () => `imported: ${result.created} new, ${result.updated} updated, ${result.unchanged} unchanged`,
  );
  if (call.options.json === true || call.options.quiet === true) return;
  for (const text of skipped) printNote(`kept, but holds nothing back: ${String(text)}`);
  if (otherCount > 0) printNote(`${otherCount} lines are no issues and were left out`);
}

function registerImport(bd: Command, setExit: (code: number) => void): void {
  const command = addBdCommand(
    bd,
    "import [file]",
    "take issues over from JSON Lines, all or nothing; known ids are brought up to date",
    "import issues.jsonl",
  )
    .option("-i, --input <file>", "where from (default: standard input)")
    .option("--dry-run", "say what would be done")
    .addOption(new Option("--skip-existing").hideHelp())
    .addOption(new Option("--force").hideHelp());
  onCall<ImportOptions>(command, setExit, importIssues);
}

function registerInit(bd: Command, setExit: (code: number) => void): void {
  const command = addBdCommand(
    bd,
    "init",
    "fix what stands before the numbers of issues; no file is written",
    "init --prefix web",
  )
    .option("-p, --prefix <prefix>", "such as web for web-12 (default: the repository's name)")
    .allowUnknownOption()
    .allowExcessArguments();
  onCall<{ prefix?: string }>(command, setExit, async (call) => {
    const prefix = call.options.prefix?.replace(/-+$/, "");
    const board = await openBoard(call.options.actor, prefix);
    call.show(
      { status: "initialized", prefix: board.prefix },
      () => `✓ bd initialized by Canopy\n  Issues are called: ${board.prefix}-1, ${board.prefix}-2, ...`,
    );
  });
}

function countBy(issues: readonly BoardIssue[], member: string): { group: string; count: number }[] {
  const counts = new Map<string, number>();
  for (const { record } of issues) {
    const value = record[member];
    const groups = Array.isArray(value)
      ? value.map((each: Json) => showWord(each))
      : [showWord(value) || "(none)"];
    for (const group of groups) counts.set(group, (counts.get(group) ?? 0) + 1);
  }
  return [...counts]
    .toSorted(([left], [right]) => left.localeCompare(right))
    .map(([group, count]) => ({ group, count }));
}

function summarize(issues: readonly BoardIssue[]): Record<string, number> {
  const inState = (...states: string[]): BoardIssue[] =>
    issues.filter((issue) => states.includes(readMember(issue, "status")));
  const hours = inState("closed").map(
    (issue) =>
      (Date.parse(readMember(issue, "closed_at")) - Date.parse(readMember(issue, "created_at"))) / 3_600_000,
  );
  return {
    total_issues: issues.length - inState("tombstone").length,
    open_issues: inState("open").length,
    in_progress_issues: inState("in_progress").length,
    closed_issues: inState("closed").length,
    blocked_issues: issues.filter(({ blockedBy }) => blockedBy.length > 0).length,
    deferred_issues: inState("deferred").length,
    needs_input_issues: inState("needs_input", "needs-input").length,
    ready_issues: issues.filter(({ isReady }) => isReady).length,
    average_lead_time_hours:
      hours.length === 0 ? 0 : hours.reduce((sum, each) => sum + each, 0) / hours.length,
  };
}

const GROUPS = {
  status: "status",
  priority: "priority",
  type: "issue_type",
  assignee: "assignee",
  label: "labels",
};

function registerTotals(bd: Command, setExit: (code: number) => void): void {
  const stats = addBdCommand(bd, "stats", "how many issues there are in which state", "stats --json").alias(
    "status",
  );
  onCall<object>(stats, setExit, async (call) => {
    const summary = summarize(await (await call.board()).read());
    call.show({ summary }, () =>
      Object.entries(summary)
        .map(([name, value]) => `${name.replaceAll("_", " ")}: ${Number(value.toFixed(1))}`)
        .join("\n"),
    );
  });
  const count = addBdCommand(bd, "count", "count issues", "count --by-status").option(
    "-s, --status <statuses>",
    "only in these states",
    collectList,
  );
  for (const group of Object.keys(GROUPS)) count.option(`--by-${group}`, `for each ${group}`);
  onCall<Record<string, unknown>>(count, setExit, async (call) => {
    const { status } = call.options;
    const issues = await (
      await call.board()
    ).read(Array.isArray(status) ? { statuses: status.map(String) } : {});
    const by = Object.entries(GROUPS).find(
      ([group]) => call.options[`by${group.slice(0, 1).toUpperCase()}${group.slice(1)}`] === true,
    );
    if (by === undefined) return call.show({ count: issues.length }, () => String(issues.length));
    const groups = countBy(issues, by[1]);
    call.show({ total: issues.length, groups }, () =>
      groups.map((each) => `${each.group}: ${each.count}`).join("\n"),
    );
  });
}

const PRIME = `Issues of this repository (bd, kept by Canopy):
- bd ready --json            what can be begun
- bd update ID --claim       take one; fails when somebody else has it
- bd show ID --json          all about it
- bd create "TITLE" -t bug -p 1 --deps discovered-from:ID --json
- bd dep add ID ON           ID waits for ON
- bd close ID --reason "..." when it is done
Other agents see the same issues at once: nothing has to be synchronised or committed.`;

function registerSmall(bd: Command, setExit: (code: number) => void): void {
  const info = addBdCommand(bd, "info", "what keeps the issues here", "info --json");
  onCall<object>(info, setExit, async (call) => {
    const board = await call.board();
    const count = (await board.read()).length;
    call.show(
      { mode: "canopy", issue_prefix: board.prefix, issue_count: count },
      () => `kept by Canopy: ${count} issues, called ${board.prefix}-NUMBER`,
    );
  });
  const sync = addBdCommand(bd, "sync", "does nothing: issues are the same for everybody at once", "sync")
    .allowUnknownOption()
    .allowExcessArguments();
  onCall<object>(sync, setExit, async (call) => {
    call.show(
      { status: "nothing-to-do" },
      () => "nothing to do: Canopy keeps the issues, for all work trees",
    );
    await Promise.resolve();
  });
  for (const name of ["prime", "onboard"]) {
    const prime = addBdCommand(bd, name, "what an agent should know of bd", name).allowUnknownOption();
    onCall<object>(prime, setExit, async () => {
      printText(PRIME);
      await Promise.resolve();
    });
  }
  const shim = addBdCommand(
    bd,
    "install-shim <folder>",
    "have this answer as bd: makes FOLDER/bd a link to canopy",
    "install-shim ~/.local/bin",
  );
  onCall<object>(shim, setExit, async (call) => {
    const { installShim } = await import("./install-shim.ts");
    const { path, isNew } = await installShim(listArguments(call)[0] ?? ".");
    call.show({ path, created: isNew }, () => `${isNew ? "made" : "is there already:"} ${path}`);
  });
}

/** `bd init`, `import`, `export`, `stats`, `count`, `info`, `sync`, `prime`, `onboard`, `install-shim`. */
export function registerTransfer(bd: Command, setExit: (code: number) => void): void {
  registerInit(bd, setExit);
  registerImport(bd, setExit);
  registerExport(bd, setExit);
  registerTotals(bd, setExit);
  registerSmall(bd, setExit);
}
