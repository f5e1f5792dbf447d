import type { ProjectCommand, ProjectEvent } from "@canopy/protocol";
import { projectCommandSchema } from "@canopy/protocol";
import { boardFeature } from "../board/board-feature.ts";
import { claimFeature } from "../claims/claim-feature.ts";
import type { RoomDefinition } from "../kernel/room-definition.ts";
import { inquiryFeature } from "../inquiries/inquiry-feature.ts";
import { jobFeature } from "../jobs/job-feature.ts";
import { mailFeature } from "../mail/mail-feature.ts";
import { queueFeature } from "../merge-queue/queue-feature.ts";
import { presenceFeature } from "../presence/presence-feature.ts";
import { scheduleFeature } from "../schedule/schedule-feature.ts";
import { forkFeature } from "../sessions/fork-feature.ts";
import { sessionFeature } from "../sessions/session-feature.ts";
import { taskFeature } from "../tasks/task-feature.ts";
import { waitFeature } from "../waits/wait-feature.ts";
import { parseWith } from "./parse-command.ts";
import { selectProjectState } from "./select-project-state.ts";
import { toJson } from "./to-json.ts";

/** One per repository: tasks, runs, attempts, sessions, jobs, the merge queue, and how sessions work side by side. */
export const projectRoom: RoomDefinition<ProjectCommand, ProjectEvent> = {
  kind: "project",
  features: [
    taskFeature,
    sessionFeature,
    inquiryFeature,
    jobFeature,
    queueFeature,
    scheduleFeature,
    presenceFeature,
    claimFeature,
    mailFeature,
    waitFeature,
    boardFeature,
    forkFeature,
  ],
  parseCommand: (value) => parseWith<ProjectCommand>(projectCommandSchema, value),
  eventVersion: () => 1,
  selectState: (sql) => toJson(selectProjectState(sql)),
};
