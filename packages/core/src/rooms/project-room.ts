import type { ProjectCommand, ProjectEvent } from "@canopy/protocol";
import { projectCommandSchema } from "@canopy/protocol";
import type { RoomDefinition } from "../kernel/room-definition.ts";
import { inquiryFeature } from "../inquiries/inquiry-feature.ts";
import { jobFeature } from "../jobs/job-feature.ts";
import { queueFeature } from "../merge-queue/queue-feature.ts";
import { scheduleFeature } from "../schedule/schedule-feature.ts";
import { sessionFeature } from "../sessions/session-feature.ts";
import { taskFeature } from "../tasks/task-feature.ts";
import { parseWith } from "./parse-command.ts";
import { selectProjectState, toJson } from "./select-project-state.ts";

/** One per repository: tasks, runs, attempts, sessions, jobs and the merge queue. */
export const projectRoom: RoomDefinition<ProjectCommand, ProjectEvent> = {
  kind: "project",
  features: [taskFeature, sessionFeature, inquiryFeature, jobFeature, queueFeature, scheduleFeature],
  parseCommand: (value) => parseWith<ProjectCommand>(projectCommandSchema, value),
  eventVersion: () => 1,
  selectState: (sql) => toJson(selectProjectState(sql)),
};
