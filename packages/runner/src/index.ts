export { createBdTaskSource, probeBd } from "./task-sources/bd-task-source.ts";
export type { BdOptions } from "./task-sources/run-bd.ts";
export type {
  ClaimOutcome,
  NewSourceTask,
  SourceDependency,
  SourceDependencyKind,
  SourceTask,
  SourceTaskState,
  TaskSource,
} from "./task-sources/task-source.ts";
