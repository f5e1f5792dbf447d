import type { Command } from "commander";
import type { Attempt, Change, Comment, Dependency, Json, Task } from "@canopy/protocol";
import { CanopyError } from "@canopy/protocol/errors";
import type { RegisterCommands } from "../run-cli.ts";
import { uploadImages } from "../images/upload-images.ts";
import type { ProjectApi } from "../connection/project-api.ts";
import { openProjectApi, readField } from "../connection/project-api.ts";
import { formatAge, sanitizeLine, sanitizeText } from "../output/format.ts";
import { printJson, printNotices, printText } from "../output/print.ts";
import { formatTasks, taskToJson } from "../output/task-view.ts";
import { collectList, parseDurationArgument, parseWhole } from "../parse-arguments.ts";
import { readStandardInput } from "../read-standard-input.ts";
import { readTextFile } from "../read-text-file.ts";
import { readTaskFile } from "./read-task-file.ts";

interface JsonOption {
  readonly json?: boolean;
}

function refer(task: string): string {
  return encodeURIComponent(task.startsWith("#") ? task.slice(1) : task);
}

function printTask(answer: unknown, options: JsonOption, done: string): void {
  const task = readField<Task>(answer, "task");
  printNotices(answer);
  if (options.json === true) printJson(taskToJson(task));
  else printText(`${done} #${task.number} ${task.taskId}  ${sanitizeLine(task.title)}`);
}

async function readText(value: string | undefined): Promise<string | undefined> {
  return value === "-" ? await readStandardInput() : value;
}

/** A dependency as it is typed: `12`, or `parent-child:12`. */
function parseDependency(text: string): { on: string; kind: string } {
  const match = /^(blocks|parent-child|related|discovered-from):(.+)$/.exec(text);
  return match === null ? { on: text, kind: "blocks" } : { on: match[2] ?? "", kind: match[1] ?? "blocks" };
}

interface AddOptions extends JsonOption {
  readonly description?: string;
  readonly descriptionFile?: string;
  readonly type?: string;
  readonly priority?: number;
  readonly label?: string[];
  readonly assignee?: string;
  readonly dependsOn?: string[];
  readonly parent?: string;
  readonly externalRef?: string;
  readonly timeout?: number;
  readonly agent?: string;
  readonly model?: string;
  readonly image?: string[];
}

function withoutUndefined(fields: Record<string, Json | undefined>): Record<string, Json> {
  return Object.fromEntries(
    Object.entries(fields).filter((entry): entry is [string, Json] => entry[1] !== undefined),
  );
}

async function addTask(title: string, options: AddOptions): Promise<void> {
  const api = await openProjectApi();
  const fromFile =
    options.descriptionFile === undefined ? undefined : await readTextFile(options.descriptionFile);
  const dependencies = (options.dependsOn ?? []).map((text) => parseDependency(text));
  if (options.parent !== undefined) dependencies.push({ on: options.parent, kind: "parent-child" });
  const images = await uploadImages(api, options.image ?? []);
  const body = withoutUndefined({
    title,
    description: fromFile ?? (await readText(options.description)),
    taskType: options.type,
    priority: options.priority,
    labels: options.label,
    assignee: options.assignee,
    externalReference: options.externalRef,
    timeoutMs: options.timeout,
    agent: options.agent,
    model: options.model,
    dependencies,
    ...(images.length === 0 ? {} : { images }),
  });
  printTask(await api.ask("POST", "/tasks", body), options, "added");
}

function registerAdd(task: Command): void {
  task
    .command("add")
    .argument("<title>", "what is to be done, in one line")
    .description("add a task")
    .option("-d, --description <text>", "more about it; - reads standard input")
    .option("--description-file <file>", "read the description from a file; - is standard input")
    .option("-t, --type <type>", "task, bug, feature, chore, epic or a word of your own")
    .option("-p, --priority <number>", "0 (critical) to 4 (some day)", parseWhole(0, 4))
    .option("-l, --label <label>", "a label; repeatable", collectList)
    .option("--assignee <name>", "who it is meant for")
    .option("--depends-on <task>", "a task it waits for; KIND:TASK for other kinds; repeatable", collectList)
    .option("--parent <task>", "the task it is a part of")
    .option("--external-ref <id>", "its id in another tracker")
    .option("--timeout <duration>", "longest one attempt may take", parseDurationArgument)
    .option("--agent <name>", "the agent that shall do it")
    .option("--model <name>", "the model that shall do it")
    .option("--image <file>", "a picture that belongs to it: PNG, JPEG, GIF or WebP; repeatable", collectList)
    .option("--json", "print the task as JSON")
    .addHelpText("after", '\nExample:\n  canopy task add "Cache the parser" -p 1 -l speed --depends-on 12')
    .action(addTask);
}

interface ListOptions extends JsonOption {
  readonly status?: string[];
  readonly type?: string;
  readonly label?: string;
  readonly assignee?: string;
  readonly all?: boolean;
  readonly limit?: number;
}

async function listTasks(options: ListOptions): Promise<void> {
  const api = await openProjectApi();
  const query = new URLSearchParams();
  const statuses =
    options.status ?? (options.all === true ? [] : ["open", "in_progress", "needs_input", "deferred"]);
  if (statuses.length > 0) query.set("status", statuses.join(","));
  for (const [name, value] of Object.entries({
    type: options.type,
    label: options.label,
    assignee: options.assignee,
  })) {
    if (value !== undefined) query.set(name, value);
  }
  if (options.limit !== undefined) query.set("limit", String(options.limit));
  const tasks = readField<Task[]>(await api.ask("GET", `/tasks?${query.toString()}`), "tasks");
  if (options.json === true) printJson({ tasks: tasks.map((task) => taskToJson(task)) });
  else printText(formatTasks(tasks));
}

interface TaskDetail {
  readonly task: Task;
  readonly dependsOn: readonly Dependency[];
  readonly dependents: readonly Dependency[];
  readonly comments: readonly Comment[];
  readonly attempts: readonly Attempt[];
  readonly changes: readonly Change[];
  readonly why: readonly { readonly code: string; readonly message: string }[];
}

function describeImages({ images = [] }: Task): string[] {
  return images.map(({ name, mediaType }) => `image ${sanitizeLine(name)} (${mediaType})`);
}

function formatDetail({ task, dependsOn, dependents, comments, attempts, changes, why }: TaskDetail): string {
  const now = Date.now();
  const lines = [
    `#${task.number} ${sanitizeLine(task.title)}`,
    `${task.taskId}  ${task.status}  P${task.priority}  ${task.taskType}${task.labels.length > 0 ? `  [${task.labels.map((label) => sanitizeLine(label)).join(", ")}]` : ""}`,
    `created by ${sanitizeLine(task.createdBy)} ${formatAge(task.createdAtMs, now)}`,
  ];
  if (task.description !== "") lines.push("", sanitizeText(task.description));
  lines.push(...describeImages(task));
  for (const dependency of dependsOn) lines.push(`depends on ${dependency.dependsOnId} (${dependency.kind})`);
  for (const dependency of dependents) lines.push(`needed by ${dependency.taskId} (${dependency.kind})`);
  if (task.status !== "closed")
    lines.push(...why.map((reason) => `not running: ${sanitizeLine(reason.message)}`));
  else lines.push(`closed: ${sanitizeLine(task.closeReason ?? "")}`);
  for (const attempt of attempts) {
    const failure =
      attempt.failure === null ? "" : `  ${attempt.failure.cause}: ${sanitizeLine(attempt.failure.message)}`;
    lines.push(
      `attempt ${attempt.number}  ${attempt.attemptId}  ${attempt.agent}  ${attempt.state}${failure}`,
    );
    if (attempt.capture !== null) lines.push(`  kept as ${attempt.capture.ref}`);
  }
  for (const change of changes) {
    const files = change.conflicts.map((file) => `${sanitizeLine(file.path)} (${file.kind})`).join(", ");
    lines.push(
      `change ${change.changeId}  ${change.state}${change.landedCommit === null ? "" : ` as ${change.landedCommit}`}${files === "" ? "" : `: ${files}`}`,
    );
  }
  for (const comment of comments)
    lines.push(`comment by ${sanitizeLine(comment.author)}: ${sanitizeLine(comment.text)}`);
  return lines.join("\n");
}

async function showTask(reference: string, options: JsonOption): Promise<void> {
  const api = await openProjectApi();
  const detail = (await api.ask("GET", `/tasks/${refer(reference)}`)) as TaskDetail;
  if (options.json === true) printJson({ ...taskToJson(detail.task), ...detail, task: undefined });
  else printText(formatDetail(detail));
}

function registerReading(task: Command): void {
  task
    .command("list")
    .description("list tasks, without closed ones unless asked")
    .option(
      "-s, --status <status>",
      "open, in_progress, needs_input, deferred, closed; repeatable",
      collectList,
    )
    .option("-t, --type <type>", "only this type")
    .option("-l, --label <label>", "only with this label")
    .option("--assignee <name>", "only of this person")
    .option("-a, --all", "closed ones too")
    .option("-n, --limit <count>", "at most so many", parseWhole(1, 1_000_000))
    .option("--json", "print them as JSON")
    .addHelpText("after", "\nExample:\n  canopy task list --status open --label api")
    .action(listTasks);
  task
    .command("show")
    .argument("<task>", "id, number or part of an id")
    .description("show one task: text, dependencies, attempts, changes, and why it does not run")
    .option("--json", "print it as JSON")
    .addHelpText("after", "\nExample:\n  canopy task show 12")
    .action(showTask);
  task
    .command("ready")
    .description("list tasks that could start now: open, unclaimed, nothing in their way")
    .option("-n, --limit <count>", "at most so many", parseWhole(1, 1_000_000))
    .option("--json", "print them as JSON")
    .addHelpText("after", "\nExample:\n  canopy task ready --json")
    .action(async (options: JsonOption & { limit?: number }) => {
      const api = await openProjectApi();
      const all = readField<Task[]>(await api.ask("GET", "/tasks/ready"), "tasks");
      const tasks = options.limit === undefined ? all : all.slice(0, options.limit);
      if (options.json === true) printJson({ tasks: tasks.map((item) => taskToJson(item)) });
      else printText(formatTasks(tasks));
    });
}

async function holderName(given: string | undefined): Promise<string> {
  if (given !== undefined) return given;
  const session = process.env["CANOPY_SESSION_ID"];
  if (session !== undefined && session !== "") return session;
  const { userInfo } = await import("node:os");
  return userInfo().username;
}

function registerClaiming(task: Command): void {
  task
    .command("claim")
    .argument("<task>", "id, number or part of an id")
    .description("take a task, atomically; exit code 3 when somebody else holds it")
    .option("--as <name>", "who claims it (default: CANOPY_SESSION_ID, else your user name)")
    .option("--release", "give it back instead")
    .option("--json", "print the task as JSON")
    .addHelpText("after", "\nExample:\n  canopy task claim 12 --as ada")
    .action(async (reference: string, options: JsonOption & { as?: string; release?: boolean }) => {
      const api = await openProjectApi();
      const verb = options.release === true ? "release" : "claim";
      const holder = await holderName(options.as);
      const answer = await api.ask("POST", `/tasks/${refer(reference)}/${verb}`, { holder });
      printTask(answer, options, options.release === true ? "released" : "claimed");
    });
}

interface UpdateOptions extends JsonOption {
  readonly title?: string;
  readonly description?: string;
  readonly type?: string;
  readonly priority?: number;
  readonly addLabel?: string[];
  readonly removeLabel?: string[];
  readonly assignee?: string;
  readonly status?: string;
  readonly timeout?: number;
  readonly agent?: string;
  readonly model?: string;
}

async function updateTask(reference: string, options: UpdateOptions): Promise<void> {
  const patch = withoutUndefined({
    title: options.title,
    description: await readText(options.description),
    taskType: options.type,
    priority: options.priority,
    addLabels: options.addLabel,
    removeLabels: options.removeLabel,
    assignee: options.assignee === "" ? null : options.assignee,
    status: options.status,
    timeoutMs: options.timeout,
    agent: options.agent,
    model: options.model,
  });
  if (Object.keys(patch).length === 0) {
    throw new CanopyError("usage.invalid", "nothing to change was given", {
      hint: "see: canopy task update --help",
    });
  }
  const api = await openProjectApi();
  printTask(await api.ask("PATCH", `/tasks/${refer(reference)}`, patch), options, "updated");
}

function registerChanging(task: Command): void {
  task
    .command("update")
    .argument("<task>", "id, number or part of an id")
    .description("change fields of a task")
    .option("--title <text>", "new title")
    .option("-d, --description <text>", "new description; - reads standard input")
    .option("-t, --type <type>", "new type")
    .option("-p, --priority <number>", "0 to 4", parseWhole(0, 4))
    .option("--add-label <label>", "repeatable", collectList)
    .option("--remove-label <label>", "repeatable", collectList)
    .option("--assignee <name>", "an empty text takes the assignee away")
    .option("-s, --status <status>", "open, deferred or needs_input")
    .option("--timeout <duration>", "longest one attempt may take", parseDurationArgument)
    .option("--agent <name>", "the agent that shall do it")
    .option("--model <name>", "the model that shall do it")
    .option("--json", "print the task as JSON")
    .addHelpText("after", "\nExample:\n  canopy task update 12 -p 0 --add-label urgent")
    .action(updateTask);
  for (const verb of ["close", "reopen"] as const) {
    task
      .command(verb)
      .argument("<task...>", "ids, numbers or parts of ids")
      .description(verb === "close" ? "close tasks" : "open tasks again and forget their failures")
      .option("-r, --reason <text>", "why")
      .option("--json", "print the task as JSON, or several as a list")
      .addHelpText("after", `\nExample:\n  canopy task ${verb} 12 -r "..."`)
      .action(async (references: string[], options: JsonOption & { reason?: string }) => {
        const api = await openProjectApi();
        const answers: unknown[] = [];
        for (const reference of references) {
          const body = withoutUndefined({ reason: options.reason });
          answers.push(await api.ask("POST", `/tasks/${refer(reference)}/${verb}`, body));
        }
        if (options.json === true && answers.length > 1) {
          printJson({ tasks: answers.map((answer) => taskToJson(readField<Task>(answer, "task"))) });
          return;
        }
        for (const answer of answers) printTask(answer, options, verb === "close" ? "closed" : "reopened");
      });
  }
  task
    .command("comment")
    .argument("<task>", "id, number or part of an id")
    .argument("<text>", "the remark; - reads standard input")
    .description("add a remark, which later attempts see")
    .option("--json", "print the task as JSON")
    .addHelpText("after", '\nExample:\n  canopy task comment 12 "mind the time zones"')
    .action(async (reference: string, text: string, options: JsonOption) => {
      const api = await openProjectApi();
      const body = { text: (await readText(text)) ?? "" };
      printTask(await api.ask("POST", `/tasks/${refer(reference)}/comments`, body), options, "commented on");
    });
}

async function changeDependency(
  api: ProjectApi,
  how: "add" | "remove",
  [task, on]: readonly [string, string],
  kind: string | undefined,
): Promise<Dependency> {
  const answer =
    how === "add"
      ? await api.ask("POST", `/tasks/${refer(task)}/dependencies`, withoutUndefined({ on, kind }))
      : await api.ask("DELETE", `/tasks/${refer(task)}/dependencies/${refer(on)}`);
  return readField<Dependency>(answer, "dependency");
}

function registerDependencies(task: Command): void {
  const dep = task
    .command("dep")
    .description("dependencies between tasks")
    .addHelpText("after", "\nExample:\n  canopy task dep add 12 7");
  for (const how of ["add", "remove"] as const) {
    const command = dep
      .command(how)
      .argument("<task>", "the task that waits")
      .argument("<on>", "the task it waits for")
      .description(
        how === "add" ? "make one task wait for another; a cycle is refused" : "take a dependency away",
      )
      .option("--json", "print the dependency as JSON")
      .addHelpText("after", `\nExample:\n  canopy task dep ${how} 12 7`);
    if (how === "add") {
      command.option("-k, --kind <kind>", "blocks, parent-child, related or discovered-from", "blocks");
    }
    command.action(async (reference: string, on: string, options: JsonOption & { kind?: string }) => {
      const dependency = await changeDependency(await openProjectApi(), how, [reference, on], options.kind);
      if (options.json === true) printJson(dependency);
      else
        printText(
          `${dependency.taskId} ${how === "add" ? "depends" : "no longer depends"} on ${dependency.dependsOnId} (${dependency.kind})`,
        );
    });
  }
}

/** `canopy task ...`. */
export const registerTask: RegisterCommands = (program) => {
  const task = program
    .command("task")
    .description("tasks: what agents shall do")
    .addHelpText("after", '\nExample:\n  canopy task add "Fix the login redirect" -p 1');
  registerAdd(task);
  registerReading(task);
  registerClaiming(task);
  registerChanging(task);
  registerDependencies(task);
  task
    .command("import")
    .argument(
      "<file>",
      "JSON array, JSON Lines (also a tracker's export) or a Markdown list; - is standard input",
    )
    .description("add or update many tasks at once, all or nothing")
    .option("--json", "print what was done as JSON")
    .addHelpText("after", "\nExample:\n  canopy task import tasks.jsonl")
    .action(async (file: string, options: JsonOption) => {
      const tasks = await readTaskFile(file);
      const api = await openProjectApi();
      const answer = await api.ask("POST", "/tasks/import", { tasks });
      if (options.json === true) printJson(answer as object);
      else
        printText(
          `added ${readField<number>(answer, "createdCount")}, updated ${readField<number>(answer, "updatedCount")}`,
        );
    });
};
