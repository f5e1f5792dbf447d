import type { ProjectEvent, Task } from "@canopy/protocol";
import type { Projections } from "../kernel/room-definition.ts";
import type { Sql } from "../kernel/sql.ts";

function writeTask(sql: Sql, task: Task): void {
  sql.exec(
    `INSERT INTO tasks (task_id, number, status, task_type, external_reference, value) VALUES (?, ?, ?, ?, ?, ?)
     ON CONFLICT (task_id) DO UPDATE SET status = excluded.status, task_type = excluded.task_type,
       external_reference = excluded.external_reference, value = excluded.value`,
    task.taskId,
    task.number,
    task.status,
    task.taskType,
    task.externalReference,
    JSON.stringify(task),
  );
}

const projectTask = (sql: Sql, event: { readonly task: Task }): void => writeTask(sql, event.task);

/** Tables of tasks from events. */
export const TASK_PROJECTIONS: Projections<ProjectEvent> = {
  "task.created": projectTask,
  "task.updated": projectTask,
  "task.claimed": projectTask,
  "task.released": projectTask,
  "task.closed": projectTask,
  "task.reopened": projectTask,
  "task.commented": (sql, { comment }) => {
    sql.exec(
      "INSERT OR REPLACE INTO comments (comment_id, task_id, at_ms, value) VALUES (?, ?, ?, ?)",
      comment.commentId,
      comment.taskId,
      comment.atMs,
      JSON.stringify(comment),
    );
  },
  "dependency.added": (sql, { dependency }) => {
    sql.exec(
      "INSERT OR REPLACE INTO dependencies (task_id, depends_on_id, kind) VALUES (?, ?, ?)",
      dependency.taskId,
      dependency.dependsOnId,
      dependency.kind,
    );
  },
  "dependency.removed": (sql, { dependency }) => {
    sql.exec(
      "DELETE FROM dependencies WHERE task_id = ? AND depends_on_id = ?",
      dependency.taskId,
      dependency.dependsOnId,
    );
  },
};
