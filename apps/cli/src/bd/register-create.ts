import type { BoardRequestInput, Json } from "@canopy/protocol";
import { CanopyError } from "@canopy/protocol/errors";
import type { Command } from "commander";
import { Option } from "commander";
import { collectList, parseWhole } from "../parse-arguments.ts";
import { printText } from "../output/print.ts";
import {
  parseDependency,
  parseJsonArgument,
  parsePriority,
  parseWhen,
  readDescription,
} from "./bd-arguments.ts";
import { addBdCommand, listArguments, onCall } from "./bd-command.ts";
import type { BdCall } from "./bd-command.ts";
import { readMember, readPriority } from "./filter-issues.ts";
import { printBdJson } from "./print-bd.ts";

interface CreateOptions {
  readonly title?: string;
  readonly description?: string;
  readonly bodyFile?: string;
  readonly stdin?: boolean;
  readonly priority?: number;
  readonly type?: string;
  readonly labels?: string[];
  readonly label?: string[];
  readonly parent?: string;
  readonly deps?: string[];
  readonly externalRef?: string;
  readonly id?: string;
  readonly assignee?: string;
  readonly status?: string;
  readonly design?: string;
  readonly acceptance?: string;
  readonly notes?: string;
  readonly estimate?: number;
  readonly due?: string;
  readonly defer?: string;
  readonly metadata?: Json;
  readonly silent?: boolean;
  readonly dryRun?: boolean;
}

type CreateCommand = Extract<BoardRequestInput["command"], { type: "issue.create" }>;

async function buildCommand(title: string, options: CreateOptions): Promise<CreateCommand> {
  const members: Record<string, Json | undefined> = {
    id: options.id,
    description: await readDescription(options),
    status: options.status,
    priority: options.priority,
    issue_type: options.type,
    labels: [...(options.labels ?? []), ...(options.label ?? [])],
    assignee: options.assignee,
    external_ref: options.externalRef,
    design: options.design,
    acceptance_criteria: options.acceptance,
    notes: options.notes,
    estimated_minutes: options.estimate,
    due_at: options.due,
    defer_until: options.defer,
    metadata: options.metadata,
  };
  const given = Object.entries(members).filter((entry): entry is [string, Json] => entry[1] !== undefined);
  return {
    type: "issue.create",
    issue: { title, ...Object.fromEntries(given) },
    ...(options.parent === undefined ? {} : { parent: options.parent }),
    links: (options.deps ?? []).map((text) => parseDependency(text)),
  };
}

async function create(call: BdCall<CreateOptions>): Promise<void> {
  const { options } = call;
  const title = listArguments(call)[0] ?? options.title;
  if (title === undefined || title.trim() === "")
    throw new CanopyError("usage.invalid", "title required", { hint: 'such as: bd create "Fix the login"' });
  const command = await buildCommand(title, options);
  if (options.dryRun === true) {
    call.show(command.issue, () => `would create: ${title}`);
    return;
  }
  const board = await call.board();
  const issue = await board.get(await board.change(command));
  if (options.json === true) printBdJson(issue.record);
  else if (options.silent === true || options.quiet === true) printText(readMember(issue, "id"));
  else {
    printText(
      [
        `✓ Created issue: ${readMember(issue, "id")}`,
        `  Title: ${readMember(issue, "title")}`,
        `  Priority: P${readPriority(issue)}`,
        `  Status: ${readMember(issue, "status")}`,
      ].join("\n"),
    );
  }
}

/** `bd create`. */
export function registerCreate(bd: Command, setExit: (code: number) => void): void {
  const command = addBdCommand(
    bd,
    "create [title]",
    "make an issue",
    'create "Fix the login" -t bug -p 1 --deps discovered-from:web-3',
  )
    .alias("new")
    .option("--title <text>", "the title, instead of the argument")
    .option("-d, --description <text>", "more about it; - reads standard input")
    .addOption(new Option("--body <text>").hideHelp())
    .option("--body-file <file>", "read the description from a file; - is standard input")
    .option("--stdin", "read the description from standard input")
    .option("-p, --priority <priority>", "0 (critical) to 4 (backlog), or P0 to P4", parsePriority)
    .option("-t, --type <type>", "task, bug, feature, chore, epic or a word of your own")
    .option("-l, --labels <labels>", "labels, separated by commas", collectList)
    .addOption(new Option("--label <label>").argParser(collectList).hideHelp())
    .option("--parent <issue>", "the issue it is a part of; it is called PARENT.NUMBER")
    .option(
      "--deps <links>",
      "ID or blocked-by:ID: it waits for that one; blocks:ID: that one waits for it; discovered-from:ID, related:ID",
      collectList,
    )
    .option("--external-ref <id>", "its id in another tracker")
    .option("--id <id>", "its id here, instead of the next one")
    .option("-a, --assignee <name>", "who it is meant for")
    .option("-s, --status <status>", "its first state (default: open)")
    .option("--design <text>", "notes on its design")
    .option("--acceptance <text>", "what must be so in the end")
    .option("--notes <text>", "notes")
    .option("-e, --estimate <minutes>", "how long it may take, in minutes", parseWhole(0, 10_000_000))
    .option("--due <time>", "when it must be done: 2026-01-31, +1d, tomorrow", (text) => parseWhen(text))
    .option("--defer <time>", "not ready before: 2026-01-31, +1d, tomorrow", (text) => parseWhen(text))
    .option("--metadata <json>", "members of your own, as JSON", parseJsonArgument)
    .option("--silent", "print the id only")
    .option("--dry-run", "say what would be made")
    .addOption(new Option("--force").hideHelp());
  onCall<CreateOptions & { body?: string }>(command, setExit, async (call) => {
    const { body, ...rest } = call.options;
    await create({ ...call, options: body === undefined ? call.options : { ...rest, description: body } });
  });
}
