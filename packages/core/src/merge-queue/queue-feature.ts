import type { ProjectCommand, ProjectEvent } from "@canopy/protocol";
import type { DecideContext, RoomFeature } from "../kernel/room-definition.ts";
import { advanceStacks } from "./advance-stacks.ts";
import { QUEUE_MIGRATIONS, QUEUE_PROJECTIONS, QUEUE_TABLES, hasOpenChanges } from "./change-rows.ts";
import { decideBuildStack } from "./decide-build.ts";
import {
  decideAbandonChange,
  decideAcceptLoss,
  decideEjectChange,
  decidePauseChange,
  decidePauseQueue,
  decideReorderChange,
  decideRequeueChange,
  decideResolveChange,
  decideResumeQueue,
} from "./decide-change.ts";
import { decideFailJob, decideFinishLanding, decideRegenerateChange } from "./decide-landing.ts";
import { decideReportRadar } from "./decide-radar.ts";
import { decideRecordValidation } from "./decide-validation.ts";
import { advanceWork } from "./ladder.ts";
import { recoverOrphans, takeQueued } from "./take-queued.ts";

/** Everything that follows from the rows: what may land, be validated, be built, or be worked on now. */
function advanceQueue(context: DecideContext<ProjectEvent>): void {
  if (!hasOpenChanges(context.sql)) return;
  recoverOrphans(context);
  advanceStacks(context);
  takeQueued(context);
  advanceWork(context);
}

/** The merge queue: changes, stacks of candidates, validations, landings, the conflict ladder, the radar. */
export const queueFeature: RoomFeature<ProjectCommand, ProjectEvent> = {
  name: "merge-queue",
  migrations: QUEUE_MIGRATIONS,
  tables: QUEUE_TABLES,
  decide: {
    "stack.build": decideBuildStack,
    "validation.record": decideRecordValidation,
    "landing.finish": decideFinishLanding,
    "job.fail": decideFailJob,
    "change.regenerate": decideRegenerateChange,
    "change.requeue": decideRequeueChange,
    "change.abandon": decideAbandonChange,
    "change.eject": decideEjectChange,
    "change.pause": decidePauseChange,
    "change.reorder": decideReorderChange,
    "change.resolve": decideResolveChange,
    "change.accept-loss": decideAcceptLoss,
    "queue.pause": decidePauseQueue,
    "queue.resume": decideResumeQueue,
    "radar.report": decideReportRadar,
  },
  project: QUEUE_PROJECTIONS,
  timers: {
    queue: (context, key) => {
      context.emit({ type: "queue.resumed", integrationRef: key.slice("queue:".length) });
    },
  },
  react: advanceQueue,
};
