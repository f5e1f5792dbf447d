import type { ProjectCommand, ProjectEvent } from "@canopy/protocol";
import type { RoomFeature } from "../kernel/room-definition.ts";
import { decideAddDependency, decideRemoveDependency } from "./decide-dependency.ts";
import {
  decideClaimTask,
  decideCloseTask,
  decideCommentTask,
  decideCreateTask,
  decideImportTasks,
  decideReleaseTask,
  decideReopenTask,
  decideUpdateTask,
} from "./decide-task.ts";
import { TASK_PROJECTIONS } from "./project-task.ts";
import { TASK_MIGRATIONS, TASK_TABLES } from "./tasks-schema.ts";

/** Tasks, their dependencies, claims and comments. */
export const taskFeature: RoomFeature<ProjectCommand, ProjectEvent> = {
  name: "tasks",
  migrations: TASK_MIGRATIONS,
  tables: TASK_TABLES,
  decide: {
    "task.create": decideCreateTask,
    "task.import": decideImportTasks,
    "task.update": decideUpdateTask,
    "task.claim": decideClaimTask,
    "task.release": decideReleaseTask,
    "task.close": decideCloseTask,
    "task.reopen": decideReopenTask,
    "task.comment": decideCommentTask,
    "dependency.add": (context, { task, on, kind }) => decideAddDependency(context, task, on, kind),
    "dependency.remove": decideRemoveDependency,
  },
  project: TASK_PROJECTIONS,
};
