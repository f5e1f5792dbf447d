import type { BoardIssue, BoardRequestInput, IssuePatch, Json } from "@canopy/protocol";
import { CanopyError, isCanopyError } from "@canopy/protocol/errors";
import type { Command } from "commander";
import { Option } from "commander";
import { collectList, parseWhole } from "../parse-arguments.ts";
import { parseJsonArgument, parsePriority, parseWhen, readDescription } from "./bd-arguments.ts";
import type { BdCall } from "./bd-command.ts";
import { addBdCommand, listArguments, onCall } from "./bd-command.ts";
import { readMember } from "./filter-issues.ts";
import { reportBdError } from "./print-bd.ts";

interface UpdateOptions {
  readonly status?: string;
  readonly claim?: boolean;
  readonly title?: string;
  readonly description?: string;
  readonly body?: string;
  readonly bodyFile?: string;
  readonly stdin?: boolean;
  readonly notes?: string;
  readonly appendNotes?: string;
  readonly design?: string;
  readonly acceptance?: string;
  readonly priority?: number;
  readonly type?: string;
  readonly assignee?: string;
  readonly addLabel?: string[];
  readonly removeLabel?: string[];
  readonly setLabels?: string;
  readonly parent?: string;
  readonly externalRef?: string;
  readonly estimate?: number;
  readonly due?: string;
  readonly defer?: string;
  readonly metadata?: Json;
}

function dropAbsent<T>(members: Readonly<Record<string, T | undefined>>): Record<string, T> {
  return Object.fromEntries(
    Object.entries(members).filter((entry): entry is [string, T] => entry[1] !== undefined),
  );
}

async function buildPatch(options: UpdateOptions): Promise<IssuePatch> {
  const { body, ...rest } = options;
  const fields = dropAbsent<Json>({
    notes: options.notes,
    design: options.design,
    acceptance_criteria: options.acceptance,
    estimated_minutes: options.estimate,
    due_at: options.due,
    defer_until: options.defer,
    metadata: options.metadata,
  });
  return dropAbsent<unknown>({
    title: options.title,
    description: await readDescription(body === undefined ? rest : { ...rest, description: body }),
    status: options.status,
    priority: options.priority,
    issue_type: options.type,
    assignee: options.assignee,
    add_labels: options.addLabel,
    remove_labels: options.removeLabel,
    set_labels: options.setLabels
      ?.split(",")
      .map((label) => label.trim())
      .filter((label) => label !== ""),
    external_ref: options.externalRef,
    parent: options.parent,
    append_notes: options.appendNotes,
    fields: Object.keys(fields).length === 0 ? undefined : fields,
  });
}

/** Carries a command out for each issue; what fails is told, and the others are done. */
async function changeEach(
  call: BdCall<object>,
  ids: readonly string[],
  build: (id: string) => BoardRequestInput["command"],
  done: (issue: BoardIssue) => string,
): Promise<void> {
  const board = await call.board();
  const changed: BoardIssue[] = [];
  const errors: unknown[] = [];
  for (const id of ids) {
    try {
      changed.push(await board.get(await board.change(build(id))));
    } catch (error) {
      if (!isCanopyError(error)) throw error;
      errors.push(error);
    }
  }
  if (changed.length > 0) {
    call.show(
      changed.map(({ record }) => record),
      () => changed.map((issue) => done(issue)).join("\n"),
    );
  }
  for (const error of errors) call.setExit(reportBdError(error, call.options.json === true));
}

function registerUpdate(bd: Command, setExit: (code: number) => void): void {
  const command = addBdCommand(
    bd,
    "update <issues...>",
    "change issues, or claim them",
    "update web-12 --claim",
  )
    .option("--claim", "take it: fails when somebody else has it")
    .option("-s, --status <status>", "open, in_progress, needs_input, blocked, deferred, closed")
    .option("--title <text>", "new title")
    .option("-d, --description <text>", "new description; - reads standard input")
    .addOption(new Option("--body <text>").hideHelp())
    .option("--body-file <file>", "read the description from a file; - is standard input")
    .option("--stdin", "read the description from standard input")
    .option("--notes <text>", "new notes")
    .option("--append-notes <text>", "a line more of notes")
    .option("--design <text>", "notes on its design")
    .option("--acceptance <text>", "what must be so in the end")
    .addOption(new Option("--acceptance-criteria <text>").hideHelp())
    .option("-p, --priority <priority>", "0 (critical) to 4 (backlog), or P0 to P4", parsePriority)
    .option("-t, --type <type>", "new type")
    .option("-a, --assignee <name>", "an empty text takes the assignee away")
    .option("--add-label <labels>", "labels to add", collectList)
    .option("--remove-label <labels>", "labels to take away", collectList)
    .option("--set-labels <labels>", "these labels and no others")
    .option("--parent <issue>", "the issue it is a part of; an empty text: none")
    .option("--external-ref <id>", "its id in another tracker")
    .option("-e, --estimate <minutes>", "how long it may take, in minutes", parseWhole(0, 10_000_000))
    .option("--due <time>", "when it must be done; an empty text: whenever", (text) => parseWhen(text))
    .option("--defer <time>", "not ready before; an empty text: now", (text) => parseWhen(text))
    .option("--metadata <json>", "members of your own, as JSON", parseJsonArgument);
  onCall<UpdateOptions & { acceptanceCriteria?: string }>(command, setExit, async (call) => {
    const acceptance = call.options.acceptance ?? call.options.acceptanceCriteria;
    const patch = await buildPatch(acceptance === undefined ? call.options : { ...call.options, acceptance });
    const isClaim = call.options.claim === true;
    if (Object.keys(patch).length === 0 && !isClaim)
      throw new CanopyError("usage.invalid", "no updates given", { hint: "see: bd update --help" });
    await changeEach(
      call,
      listArguments(call),
      (issue) => ({ type: "issue.update", issue, patch, isClaim }),
      (issue) => `✓ ${isClaim ? "Claimed" : "Updated"} issue: ${readMember(issue, "id")}`,
    );
  });
}

function registerEnds(bd: Command, setExit: (code: number) => void): void {
  const close = addBdCommand(bd, "close <issues...>", "close issues", 'close web-12 --reason "done in 3f2a"')
    .alias("done")
    .option("-r, --reason <text>", "why", "Closed")
    .addOption(new Option("-f, --force").hideHelp())
    .addOption(new Option("--session <id>").hideHelp());
  onCall<{ reason: string }>(close, setExit, async (call) => {
    await changeEach(
      call,
      listArguments(call),
      (issue) => ({ type: "issue.close", issue, reason: call.options.reason }),
      (issue) => `✓ Closed ${readMember(issue, "id")}: ${readMember(issue, "close_reason")}`,
    );
  });
  const reopen = addBdCommand(
    bd,
    "reopen <issues...>",
    "open issues again",
    'reopen web-12 --reason "it came back"',
  ).option("-r, --reason <text>", "why; kept as a comment", "");
  onCall<{ reason: string }>(reopen, setExit, async (call) => {
    await changeEach(
      call,
      listArguments(call),
      (issue) => ({ type: "issue.reopen", issue, reason: call.options.reason }),
      (issue) => `↻ Reopened ${readMember(issue, "id")}`,
    );
  });
}

function registerLabels(bd: Command, setExit: (code: number) => void): void {
  const label = addBdCommand(bd, "label", "labels of issues", "label add web-12 urgent");
  for (const how of ["add", "remove"] as const) {
    const command = addBdCommand(
      label,
      `${how} <issuesAndLabel...>`,
      how === "add" ? "add a label to issues" : "take a label from issues",
      `label ${how} web-12 urgent`,
    );
    onCall<object>(command, setExit, async (call) => {
      const given = listArguments(call);
      const word = given.at(-1) ?? "";
      const ids = given.slice(0, -1);
      if (ids.length === 0)
        throw new CanopyError("usage.invalid", "an issue and a label are needed", {
          hint: `bd label ${how} ID LABEL`,
        });
      const board = await call.board();
      const patch = how === "add" ? { add_labels: [word] } : { remove_labels: [word] };
      const done: string[] = [];
      for (const issue of ids) done.push(await board.change({ type: "issue.update", issue, patch }));
      const status = how === "add" ? "added" : "removed";
      call.show(
        done.map((id) => ({ status, issue_id: id, label: word })),
        () => done.map((id) => `✓ ${status} ${word}: ${id}`).join("\n"),
      );
    });
  }
  const list = addBdCommand(label, "list <issue>", "list the labels of an issue", "label list web-12");
  onCall<object>(list, setExit, async (call) => {
    const { labels = [] } = (await (await call.board()).get(listArguments(call)[0] ?? "")).record;
    call.show(labels, () => (Array.isArray(labels) && labels.length > 0 ? labels.join("\n") : "no labels"));
  });
  const all = addBdCommand(
    label,
    "list-all",
    "list all labels and how many issues have each",
    "label list-all",
  );
  onCall<object>(all, setExit, async (call) => {
    const counts = new Map<string, number>();
    for (const { record } of await (await call.board()).read()) {
      for (const word of Array.isArray(record["labels"]) ? record["labels"] : [])
        counts.set(String(word), (counts.get(String(word)) ?? 0) + 1);
    }
    const rows = [...counts].map(([word, count]) => ({ label: word, count }));
    call.show(rows, () => rows.map((row) => `${row.label} (${row.count})`).join("\n") || "no labels");
  });
}

/** `bd update`, `close`, `reopen`, `label`. */
export function registerChanging(bd: Command, setExit: (code: number) => void): void {
  registerUpdate(bd, setExit);
  registerEnds(bd, setExit);
  registerLabels(bd, setExit);
}
