import type { ProjectConfig } from "@canopy/protocol";
import type { MergeEngine, Person } from "@canopy/git";
import type { JobSource } from "../job-source.ts";
import type { ValidationContext } from "./run-validation.ts";

/** The lease under which a job is reported. */
export interface Lease {
  readonly jobId: string;
  readonly fence: number;
}

/** What the jobs of the queue need. */
export interface QueueContext extends ValidationContext {
  readonly source: JobSource;
  readonly engine: MergeEngine;
  readonly config: ProjectConfig;
  readonly person: Person | null;
  readonly now: () => number;
  readonly signal: AbortSignal;
}
