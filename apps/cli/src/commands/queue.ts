import type { Change, Task } from "@canopy/protocol";
import type { RegisterCommands } from "../run-cli.ts";
import type { ProjectApi } from "../connection/project-api.ts";
import { openProjectApi, readField } from "../connection/project-api.ts";
import { CanopyError } from "@canopy/protocol/errors";
import { formatAge, formatTable, sanitizeLine } from "../output/format.ts";
import { printJson, printText } from "../output/print.ts";

interface JsonOption {
  readonly json?: boolean;
}

async function listChanges(api: ProjectApi): Promise<Change[]> {
  return readField<Change[]>(await api.ask("GET", "/changes"), "changes");
}

async function findChange(api: ProjectApi, reference: string): Promise<Change> {
  const fitting = (await listChanges(api)).filter((change) => change.changeId.includes(reference));
  const [only] = fitting;
  if (only === undefined) {
    throw new CanopyError("thing.not-found", `no change '${reference}'`, {
      hint: "list them with: canopy queue list --all",
    });
  }
  if (fitting.length > 1 && only.changeId !== reference) {
    throw new CanopyError("thing.ambiguous", `'${reference}' fits several changes`, {
      hint: "give more of the id",
    });
  }
  return only;
}

async function showQueue(options: JsonOption & { all?: boolean }): Promise<void> {
  const api = await openProjectApi();
  const changes = (await listChanges(api)).filter(
    (change) => options.all === true || (change.state !== "landed" && change.state !== "abandoned"),
  );
  if (options.json === true) {
    printJson({ changes });
    return;
  }
  if (changes.length === 0) {
    printText("nothing is waiting");
    return;
  }
  const tasks = new Map(
    readField<Task[]>(await api.ask("GET", "/tasks"), "tasks").map((task) => [task.taskId, task]),
  );
  const rows = changes.map((change) => [
    change.changeId,
    `#${tasks.get(change.taskId)?.number ?? "?"}`,
    change.state,
    String(change.filesChanged),
    formatAge(change.queuedAtMs, Date.now()),
    change.conflicts.length > 0
      ? change.conflicts.map((file) => sanitizeLine(file.path)).join(", ")
      : sanitizeLine(change.reason ?? tasks.get(change.taskId)?.title ?? ""),
  ]);
  printText(formatTable(["CHANGE", "TASK", "STATE", "FILES", "QUEUED", ""], rows));
}

async function showChange(reference: string, options: JsonOption): Promise<void> {
  const api = await openProjectApi();
  const change = await findChange(api, reference);
  if (options.json === true) {
    printJson(change);
    return;
  }
  const lines = [
    `${change.changeId}  ${change.state}`,
    `task     ${change.taskId}`,
    `attempt  ${change.attemptId}`,
    `commit   ${change.commit} on ${change.baseCommit}`,
    `branch   ${change.integrationRef.replace("refs/heads/", "")}`,
  ];
  if (change.landedCommit !== null) lines.push(`landed   ${change.landedCommit}`);
  if (change.reason !== null) lines.push(`reason   ${sanitizeLine(change.reason)}`);
  for (const file of change.conflicts) lines.push(`conflict ${sanitizeLine(file.path)} (${file.kind})`);
  lines.push(`see it   git show ${change.commit}`);
  printText(lines.join("\n"));
}

/** `canopy queue ...`. */
export const registerQueue: RegisterCommands = (program) => {
  const queue = program
    .command("queue")
    .description("changes on their way to the integration branch")
    .addHelpText("after", "\nExample:\n  canopy queue");
  queue
    .command("list", { isDefault: true })
    .description("list changes that wait, land or are stuck")
    .option("-a, --all", "landed and abandoned ones too")
    .option("--json", "print them as JSON")
    .addHelpText("after", "\nExample:\n  canopy queue list --all")
    .action(showQueue);
  queue
    .command("show")
    .argument("<change>", "a change's id or a part of it")
    .description("show one change: state, commits, conflicting files")
    .option("--json", "print it as JSON")
    .addHelpText("after", "\nExample:\n  canopy queue show 3k9d")
    .action(showChange);
  for (const verb of ["retry", "abandon"] as const) {
    queue
      .command(verb)
      .argument("<change>", "a change's id or a part of it")
      .description(
        verb === "retry"
          ? "put a stuck change back into the queue"
          : "take a change out for good; its work is kept",
      )
      .option("-r, --reason <text>", "why", "")
      .option("--json", "print what was done as JSON")
      .addHelpText("after", `\nExample:\n  canopy queue ${verb} 3k9d`)
      .action(async (reference: string, options: JsonOption & { reason: string }) => {
        const api = await openProjectApi();
        const { changeId } = await findChange(api, reference);
        const path = `/changes/${changeId}/${verb === "retry" ? "requeue" : "abandon"}`;
        const answer = await api.ask("POST", path, verb === "retry" ? {} : { reason: options.reason });
        if (options.json === true) printJson(answer as object);
        else printText(`${verb === "retry" ? "queued again" : "abandoned"}: ${changeId}`);
      });
  }
};
