import type { BoardIssue, Json } from "@canopy/protocol";
import { isCanopyError } from "@canopy/protocol/errors";
import type { Command } from "commander";
import { Option } from "commander";
import { printNote } from "../output/print.ts";
import { collectList, parseWhole } from "../parse-arguments.ts";
import { parsePriority } from "./bd-arguments.ts";
import type { BdCall } from "./bd-command.ts";
import { addBdCommand, listArguments, onCall } from "./bd-command.ts";
import type { IssueFilter, SortPolicy } from "./filter-issues.ts";
import { filterIssues, readMember, selectParts, sortBy, sortReady } from "./filter-issues.ts";
import type { IssueDetail } from "./format-issues.ts";
import { formatIssueDetail, formatIssueLines } from "./format-issues.ts";
import { relateIssue } from "./relate-issues.ts";
import { reportBdError } from "./print-bd.ts";

interface FilterOptions {
  readonly status?: string[];
  readonly type?: string;
  readonly label?: string[];
  readonly labelAny?: string[];
  readonly assignee?: string;
  readonly unassigned?: boolean;
  readonly priority?: number;
  readonly priorityMin?: number;
  readonly priorityMax?: number;
  readonly id?: string[];
  readonly titleContains?: string;
  readonly title?: string;
  readonly descContains?: string;
  readonly parent?: string;
  readonly limit: number;
}

/** Adds the options that narrow a list. */
export function addFilterOptions(command: Command, defaultLimit: number): Command {
  return command
    .option("-t, --type <type>", "only this type")
    .option("-l, --label <labels>", "only with all of these labels", collectList)
    .option("--label-any <labels>", "only with one of these labels", collectList)
    .option("-a, --assignee <name>", "only of this one")
    .option("-u, --unassigned", "only of nobody")
    .addOption(new Option("--no-assignee").hideHelp())
    .option("-p, --priority <priority>", "only of this priority", parsePriority)
    .option("--priority-min <priority>", "of this priority or less pressing", parsePriority)
    .option("--priority-max <priority>", "of this priority or more pressing", parsePriority)
    .option("--parent <issue>", "only parts of this issue")
    .option("-n, --limit <count>", "at most so many; 0 is all", parseWhole(0, 1_000_000), defaultLimit);
}

/** Makes a filter of options. `--no-assignee` is what older programs call `--unassigned`. */
export function toFilter(options: Partial<FilterOptions>): IssueFilter {
  const assignee: unknown = options.assignee;
  const wanted: Record<string, unknown> = {
    statuses: options.status,
    type: options.type,
    labels: options.label,
    labelsAny: options.labelAny,
    assignee: typeof assignee === "string" ? assignee : undefined,
    isUnassigned: options.unassigned === true || assignee === false ? true : undefined,
    priority: options.priority,
    priorityMin: options.priorityMin,
    priorityMax: options.priorityMax,
    ids: options.id,
    titleContains: options.titleContains ?? options.title,
    descriptionContains: options.descContains,
  };
  return Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== undefined));
}

function toJson(issue: BoardIssue): Record<string, Json> {
  return issue.parent === null ? issue.record : { ...issue.record, parent: issue.parent };
}

function showList(
  call: BdCall<{ readonly limit: number }>,
  issues: readonly BoardIssue[],
  nothing: string,
): void {
  const { limit } = call.options;
  const shown = limit === 0 ? issues : issues.slice(0, limit);
  call.show(
    shown.map((issue) => toJson(issue)),
    () => formatIssueLines(shown, nothing),
  );
  const isQuiet = call.options.quiet === true || call.options.json === true;
  if (!isQuiet && shown.length < issues.length)
    printNote(`showing ${shown.length} of ${issues.length}; -n 0 shows all`);
}

interface ReadyOptions extends FilterOptions {
  readonly sort: string;
  readonly includeDeferred?: boolean;
}

function registerReady(bd: Command, setExit: (code: number) => void): void {
  const command = addFilterOptions(
    addBdCommand(
      bd,
      "ready",
      "list issues that can be begun: open, unclaimed, nothing in their way",
      "ready --json -n 5",
    ),
    10,
  )
    .addOption(
      new Option("-s, --sort <policy>", "recent by priority and older by age, or by one of them")
        .choices(["hybrid", "priority", "oldest"])
        .default("hybrid"),
    )
    .option("--include-deferred", "also those that are put off");
  onCall<ReadyOptions>(command, setExit, async (call) => {
    const { options } = call;
    // Parts of an issue are found by way of all that are between.
    const deferred = { statuses: ["open", "deferred"] };
    const query = options.includeDeferred === true ? deferred : { isReady: true };
    const all = await (await call.board()).read(options.parent === undefined ? query : {});
    const isWanted = (issue: BoardIssue): boolean =>
      issue.isReady ||
      (options.includeDeferred === true &&
        issue.blockedBy.length === 0 &&
        ["open", "deferred"].includes(readMember(issue, "status")));
    const within = options.parent === undefined ? all : selectParts(all, options.parent, true);
    const ready = filterIssues(within.filter(isWanted), toFilter(options));
    showList(call, sortReady(ready, options.sort as SortPolicy, Date.now()), "no ready work");
  });
}

interface ListOptions extends FilterOptions {
  readonly all?: boolean;
  readonly sort?: string;
  readonly reverse?: boolean;
  readonly ready?: boolean;
}

function registerList(bd: Command, setExit: (code: number) => void): void {
  const command = addFilterOptions(
    addBdCommand(
      bd,
      "list",
      "list issues, without closed ones unless asked",
      "list --status open,in_progress --json",
    ),
    50,
  )
    .option(
      "-s, --status <statuses>",
      "open, in_progress, needs_input, blocked, deferred, closed",
      collectList,
    )
    .option("--all", "closed ones too")
    .option("--id <ids>", "only these", collectList)
    .option("--title <text>", "only with this in the title")
    .option("--title-contains <text>", "only with this in the title")
    .option("--desc-contains <text>", "only with this in the description")
    .option("--sort <member>", "priority, created, updated, closed, status, id, title, type or assignee")
    .option("-r, --reverse", "the other way round")
    .option("--ready", "only those that can be begun")
    .addOption(new Option("--long").hideHelp());
  onCall<ListOptions>(command, setExit, async (call) => {
    const { options } = call;
    const all = await (await call.board()).read();
    const isShown = (issue: BoardIssue): boolean => {
      if (options.ready === true) return issue.isReady;
      const status = readMember(issue, "status");
      if (options.status !== undefined) {
        // Being blocked is no state of a task but follows from what it waits for.
        return (
          options.status.includes(status) ||
          (options.status.includes("blocked") && issue.blockedBy.length > 0)
        );
      }
      return options.all === true || (status !== "closed" && status !== "tombstone");
    };
    const within = options.parent === undefined ? all : selectParts(all, options.parent, false);
    const { statuses: _statuses, ...filter } = toFilter(options);
    const found = filterIssues(within.filter(isShown), filter);
    const sorted = options.sort === undefined ? found : sortBy(found, options.sort);
    showList(call, options.reverse === true ? sorted.toReversed() : sorted, "no issues found");
  });
}

function detailToJson({ issue, dependencies, dependents }: IssueDetail): Record<string, unknown> {
  return {
    ...toJson(issue),
    ...(dependencies.length === 0 ? {} : { dependencies }),
    ...(dependents.length === 0 ? {} : { dependents }),
  };
}

function registerShow(bd: Command, setExit: (code: number) => void): void {
  const command = addBdCommand(
    bd,
    "show <issues...>",
    "show issues with everything that is known of them",
    "show web-12 --json",
  );
  onCall<object>(command, setExit, async (call) => {
    const board = await call.board();
    const all = await board.read();
    const details: IssueDetail[] = [];
    const errors: unknown[] = [];
    for (const id of listArguments(call)) {
      try {
        details.push(relateIssue(await board.get(id), all));
      } catch (error) {
        if (!isCanopyError(error)) throw error;
        errors.push(error);
      }
    }
    if (details.length > 0) {
      call.show(
        details.map((detail) => detailToJson(detail)),
        () => details.map((detail) => formatIssueDetail(detail)).join("\n\n"),
      );
    }
    for (const error of errors) call.setExit(reportBdError(error, call.options.json === true));
  });
}

function registerSearch(bd: Command, setExit: (code: number) => void): void {
  const search = addFilterOptions(
    addBdCommand(
      bd,
      "search <text>",
      "find issues by id, title, description or notes",
      'search "login" --json',
    ),
    50,
  ).option("-s, --status <statuses>", "only in these states", collectList);
  onCall<FilterOptions>(search, setExit, async (call) => {
    const [text = ""] = listArguments(call);
    const found = filterIssues(await (await call.board()).read(), { ...toFilter(call.options), text });
    showList(call, found, "no issues found");
  });
}

function registerWaiting(bd: Command, setExit: (code: number) => void): void {
  const blocked = addFilterOptions(
    addBdCommand(bd, "blocked", "list issues that wait for others, and for which", "blocked --json"),
    0,
  );
  onCall<FilterOptions>(blocked, setExit, async (call) => {
    const all = await (await call.board()).read();
    const within = call.options.parent === undefined ? all : selectParts(all, call.options.parent, true);
    const waiting = filterIssues(within, toFilter(call.options)).filter(
      ({ blockedBy }) => blockedBy.length > 0,
    );
    call.show(
      waiting.map((issue) => ({
        ...toJson(issue),
        blocked_by_count: issue.blockedBy.length,
        blocked_by: issue.blockedBy,
      })),
      () =>
        waiting.length === 0
          ? "no blocked issues"
          : waiting
              .map((issue) => `${formatIssueLines([issue], "")}\n  blocked by ${issue.blockedBy.join(", ")}`)
              .join("\n"),
    );
  });
  const stale = addFilterOptions(
    addBdCommand(
      bd,
      "stale",
      "list open issues that nothing happened to",
      "stale --days 14 --status in_progress",
    ),
    50,
  )
    .option("-d, --days <days>", "for so long", parseWhole(1, 100_000), 30)
    .option("-s, --status <statuses>", "only in these states", collectList);
  onCall<FilterOptions & { days: number }>(stale, setExit, async (call) => {
    const before = Date.now() - call.options.days * 86_400_000;
    const old = (await (await call.board()).read()).filter(
      (issue) =>
        !["closed", "tombstone"].includes(readMember(issue, "status")) &&
        Date.parse(readMember(issue, "updated_at")) < before,
    );
    showList(
      call,
      sortBy(filterIssues(old, toFilter(call.options)), "updated").toReversed(),
      "no stale issues",
    );
  });
}

/** `bd ready`, `list`, `show`, `search`, `blocked`, `stale`. */
export function registerReading(bd: Command, setExit: (code: number) => void): void {
  registerReady(bd, setExit);
  registerList(bd, setExit);
  registerShow(bd, setExit);
  registerSearch(bd, setExit);
  registerWaiting(bd, setExit);
}
