import type { EventEnvelope, Inquiry, Job, ProjectCommandInput } from "@canopy/protocol";
import { SYSTEM_ACTOR } from "@canopy/protocol";
import {
  featureRoomAddress,
  openSessionKey,
  projectRoomAddress,
  selectReadyTasks,
  selectSession,
} from "@canopy/core";
import type { FeatureCommandInput, JobSource, SubmitOutcome } from "@canopy/runner";
import type { NodeRoomHost } from "../rooms/open-room-host.ts";
import type { HostedRoom } from "../rooms/hosted-room.ts";

const WORK_EVENTS = new Set(["job.queued", "job.requeued"]);

function toOutcome(answer: ReturnType<HostedRoom["submit"]>): SubmitOutcome {
  return answer.type === "rejection" ? answer : { type: "accepted", result: answer.result };
}

/** The runner's side of the rooms of one project, in this process. */
export function createJobSource(host: NodeRoomHost, projectId: string): JobSource {
  const room = (): HostedRoom => {
    const found = host.room(projectRoomAddress(projectId));
    if (found === undefined) throw new Error(`broken invariant: project ${projectId} has a room`);
    return found;
  };
  const feature = (featureId: string): HostedRoom => {
    const found = host.room(featureRoomAddress(projectId, featureId));
    if (found === undefined)
      throw new Error(`broken invariant: feature ${featureId} of ${projectId} has a room`);
    return found;
  };
  const onEvents = (listener: (event: EventEnvelope) => void): (() => void) =>
    room().subscribe({
      events: (events) => {
        for (const event of events) listener(event);
      },
    });
  return {
    submit: async (command: ProjectCommandInput, key: string) =>
      await Promise.resolve(toOutcome(room().submit({ key, actor: SYSTEM_ACTOR, command }))),
    submitToFeature: async (featureId: string, command: FeatureCommandInput, key: string) => {
      openSession(room(), feature(featureId), command);
      return await Promise.resolve(
        toOutcome(feature(featureId).submit({ key, actor: SYSTEM_ACTOR, command })),
      );
    },
    publishDelta: (featureId, delta) => {
      const message = { type: "live", delta } as const;
      feature(featureId).publishLive(message);
      room().publishLive(message);
    },
    publishActivity: (activity) => room().publishLive({ type: "activity", activity }),
    onWork: (listener) =>
      onEvents((event) => {
        if (WORK_EVENTS.has(event.type)) listener();
      }),
    onCancel: (listener) =>
      onEvents((event) => {
        if (event.type !== "job.cancel-requested") return;
        const { job } = event.payload as unknown as { readonly job: Job };
        if (job.cancelRequested !== null) listener(job.jobId, job.cancelRequested);
      }),
    onAnswer: (listener) =>
      onEvents((event) => {
        if (event.type !== "inquiry.answered") return;
        listener((event.payload as unknown as { readonly inquiry: Inquiry }).inquiry);
      }),
    hasReadyTasks: () => room().read((sql) => selectReadyTasks(sql, Date.now()).length > 0),
    heartbeat: (runnerId) => room().touchPresence(runnerId),
  };
}

/** A runner may be faster than the link that opens its session: the same key makes both the same command. */
function openSession(project: HostedRoom, feature: HostedRoom, command: FeatureCommandInput): void {
  const sessionId = command["sessionId"];
  if (command.type !== "prompt.submit" || typeof sessionId !== "string") return;
  const session = project.read((sql) => selectSession(sql, sessionId));
  if (session === undefined) return;
  feature.submit({
    key: openSessionKey(session),
    actor: SYSTEM_ACTOR,
    command: { type: "session.open", session },
  });
}
