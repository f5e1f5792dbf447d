import type { Activity, Inquiry, Json, LiveDelta, ProjectCommandInput, Rejection } from "@canopy/protocol";

/** What a room answered. */
export type SubmitOutcome = { readonly type: "accepted"; readonly result: Json } | Rejection;

/** A command to a feature room, as a plain object: the room parses it. */
export type FeatureCommandInput = { readonly type: string } & Readonly<Record<string, unknown>>;

/**
 * Where a runner gets its jobs and leaves its results: the project room of one project and its feature rooms, in this
 * process or far away. Commands carry a key, so that repeating one after a lost answer is harmless.
 */
export interface JobSource {
  submit(command: ProjectCommandInput, key: string): Promise<SubmitOutcome>;
  submitToFeature(featureId: string, command: FeatureCommandInput, key: string): Promise<SubmitOutcome>;
  /** Live only; may be lost. */
  publishDelta(featureId: string, delta: LiveDelta): void;
  /** Live only; may be lost. */
  publishActivity(activity: Activity): void;
  /** Calls `listener` when there may be jobs to lease. Returns a function that ends it. */
  onWork(listener: () => void): () => void;
  /** Calls `listener` when somebody asked for the early end of a job. Returns a function that ends it. */
  onCancel(listener: (jobId: string, how: "kill" | "stop") => void): () => void;
  /** Calls `listener` when a person answered something that a session had asked. Returns a function that ends it. */
  onAnswer(listener: (inquiry: Inquiry) => void): () => void;
  /** True when tasks wait for a free runner: then it pays to prepare for the next one. */
  hasReadyTasks(): boolean;
  /** Says that this runner is alive. */
  heartbeat(runnerId: string): void;
}
