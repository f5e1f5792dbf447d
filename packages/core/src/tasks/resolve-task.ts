import type { Rejection, Task } from "@canopy/protocol";
import { reject } from "@canopy/protocol";
import type { Sql } from "../kernel/sql.ts";
import { findIssue } from "../board/board-rows.ts";
import { parseColumn } from "../kernel/sql.ts";
import { selectTask, selectTaskByReference } from "./select-tasks.ts";

/** A task that was found, or the refusal to give back. */
export type ResolvedTask = { readonly type: "task"; readonly task: Task } | Rejection;

function found(task: Task): ResolvedTask {
  return { type: "task", task };
}

/**
 * Finds the task that a person means: an id, a number (`12`, `#12`), an external reference, an id of the work board
 * (`web-12`, `web-12.3`), or a part of an id that only one task has. Refuses with `task.not-found` or `task.ambiguous`.
 */
export function resolveTask(sql: Sql, reference: string): ResolvedTask {
  const byId = selectTask(sql, reference);
  if (byId !== undefined) return found(byId);
  const number = /^#?(\d{1,9})$/.exec(reference)?.[1];
  if (number !== undefined) {
    const [row] = sql.exec("SELECT value FROM tasks WHERE number = ?", Number(number));
    if (row !== undefined) return found(parseColumn<Task>(row, "value"));
  }
  const byReference = selectTaskByReference(sql, reference);
  if (byReference !== undefined) return found(byReference);
  const byIssueId = findIssue(sql, reference);
  if (byIssueId !== undefined) return found(byIssueId);
  const part = reference.toLowerCase().replace(/^tsk_/, "");
  if (/^[0-9a-z]{4,}$/.test(part)) {
    const rows = sql.exec(
      "SELECT value FROM tasks WHERE instr(task_id, ?) > 4 ORDER BY number LIMIT 3",
      part,
    );
    const [only, other] = rows;
    if (only !== undefined && other === undefined) return found(parseColumn<Task>(only, "value"));
    if (only !== undefined) {
      return reject(
        "task.ambiguous",
        `'${reference}' fits several tasks`,
        "give more of the id, or the task's number",
      );
    }
  }
  return reject("task.not-found", `no task '${reference}'`, "list the tasks with: canopy task list");
}
