import type { DependencyKind, ProjectCommand, ProjectEvent } from "@canopy/protocol";
import { reject } from "@canopy/protocol";
import type { DecideAnswer, DecideContext } from "../kernel/room-definition.ts";
import { accept } from "../kernel/room-definition.ts";
import { findCycle } from "./find-cycle.ts";
import { resolveTask } from "./resolve-task.ts";
import { HOLDING_KINDS, selectDependenciesOf, selectTask } from "./select-tasks.ts";

type Context = DecideContext<ProjectEvent>;
type Command<T extends ProjectCommand["type"]> = Extract<ProjectCommand, { type: T }>;

/** Makes one task depend on another; refuses itself and cycles. Adding the same again changes nothing. */
export function decideAddDependency(
  context: Context,
  taskReference: string,
  onReference: string,
  kind: DependencyKind,
): DecideAnswer {
  const task = resolveTask(context.sql, taskReference);
  if (task.type === "rejection") return task;
  const target = resolveTask(context.sql, onReference);
  if (target.type === "rejection") return target;
  const { taskId } = task.task;
  const dependsOnId = target.task.taskId;
  if (taskId === dependsOnId) {
    return reject("task.self-dependency", `task #${task.task.number} cannot depend on itself`);
  }
  const dependency = { taskId, dependsOnId, kind };
  const known = selectDependenciesOf(context.sql, taskId).find((other) => other.dependsOnId === dependsOnId);
  if (known?.kind === kind) return accept({ dependency });
  if (HOLDING_KINDS.has(kind)) {
    const cycle = findCycle(context.sql, taskId, dependsOnId);
    if (cycle !== null) {
      const path = cycle.map((id) => `#${selectTask(context.sql, id)?.number ?? id}`).join(" -> ");
      return reject(
        "task.cycle",
        `this would close a cycle: ${path}`,
        "remove one of these dependencies first",
      );
    }
  }
  context.emit({ type: "dependency.added", dependency });
  return accept({ dependency });
}

/** Removes a dependency; removing one that does not exist is refused with `task.not-found`. */
export function decideRemoveDependency(
  context: Context,
  command: Command<"dependency.remove">,
): DecideAnswer {
  const task = resolveTask(context.sql, command.task);
  if (task.type === "rejection") return task;
  const target = resolveTask(context.sql, command.on);
  if (target.type === "rejection") return target;
  const dependency = selectDependenciesOf(context.sql, task.task.taskId).find(
    (other) => other.dependsOnId === target.task.taskId,
  );
  if (dependency === undefined) {
    return reject("task.not-found", `task #${task.task.number} does not depend on #${target.task.number}`);
  }
  context.emit({ type: "dependency.removed", dependency });
  return accept({ dependency });
}
