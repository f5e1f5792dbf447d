import type { Change, Task } from "@canopy/protocol";
import { CanopyError } from "@canopy/protocol/errors";
import type { ProjectApi } from "../connection/project-api.ts";
import { readField } from "../connection/project-api.ts";

/** Every change of the project, oldest first. */
export async function listChanges(api: ProjectApi): Promise<Change[]> {
  return readField<Change[]>(await api.ask("GET", "/changes"), "changes");
}

/** The project's tasks by id. */
export async function readTasks(api: ProjectApi): Promise<ReadonlyMap<string, Task>> {
  const tasks = readField<Task[]>(await api.ask("GET", "/tasks"), "tasks");
  return new Map(tasks.map((task) => [task.taskId, task]));
}

async function findByTask(api: ProjectApi, number: number): Promise<Change | undefined> {
  const tasks = await readTasks(api);
  const changes = await listChanges(api);
  return changes.findLast((change) => tasks.get(change.taskId)?.number === number);
}

/** Finds a change by its id, a unique part of it, or the number of its task (then the newest). Throws `thing.*`. */
export async function findChange(api: ProjectApi, reference: string): Promise<Change> {
  const number = /^#?(\d{1,9})$/.exec(reference)?.[1];
  const ofTask = number === undefined ? undefined : await findByTask(api, Number(number));
  if (ofTask !== undefined) return ofTask;
  const fitting = (await listChanges(api)).filter((change) => change.changeId.includes(reference));
  const exact = fitting.find((change) => change.changeId === reference);
  const [only] = fitting;
  if (only === undefined) {
    throw new CanopyError("thing.not-found", `no change '${reference}'`, {
      hint: "list them with: canopy queue list --all",
    });
  }
  if (exact === undefined && fitting.length > 1) {
    throw new CanopyError("thing.ambiguous", `'${reference}' fits several changes`, {
      hint: "give more of the id",
    });
  }
  return exact ?? only;
}
