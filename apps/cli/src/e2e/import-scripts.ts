import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Task } from "@canopy/protocol";
import type { TestHome } from "./open-test-home.ts";

/** A task as `canopy task list --json` prints it, as far as tests need it. */
export type ListedTask = Omit<Task, "taskId" | "taskType" | "claim"> & { readonly id: string };

/** A task whose description is the shell script that its agent carries out; see SCRIPT_AGENT. */
export interface ScriptTask {
  readonly title: string;
  readonly script: string;
  readonly dependsOn?: readonly string[];
  readonly priority?: number;
}

/** Imports tasks by key and answers their ids. */
export async function importScripts(
  home: TestHome,
  repository: string,
  tasks: Readonly<Record<string, ScriptTask>>,
): Promise<ReadonlyMap<string, string>> {
  const file = join(home.root, "tasks.json");
  const items = Object.entries(tasks).map(([key, { title, script, dependsOn = [], priority = 2 }]) => ({
    id: key,
    title,
    description: script,
    priority,
    dependencies: dependsOn,
  }));
  await writeFile(file, JSON.stringify(items));
  await home.ask(["task", "import", file], { cwd: repository });
  const listed = await home.ask<{ tasks: ListedTask[] }>(["task", "list", "--all"], { cwd: repository });
  return new Map(
    listed.tasks
      .filter((task) => task.externalReference !== null && task.externalReference in tasks)
      .map((task) => [task.externalReference ?? "", task.id]),
  );
}
