import type { InquiryId } from "./ids.ts";

/** How one step of a session's checks went. `output` keeps head and tail. */
export interface CheckResult {
  readonly name: string;
  readonly state: "passed" | "failed" | "timed-out" | "skipped";
  readonly durationMs: number;
  readonly output: string;
}

/** How a session's agent says that it is done. */
export interface FinishNote {
  readonly summary: string;
  /** `blocked`: it could not be done; the summary says why. */
  readonly outcome: "done" | "blocked";
}

/** What an agent's tools do where its files are: carried out by the runner, asked for through the room's server. */
export interface WorkspaceTools {
  /** Runs the project's validation steps on the files as they are now; those of these names, or all. */
  runChecks(names: readonly string[]): Promise<readonly CheckResult[]>;
  /** The work goes to the queue when the turn ends, with this as the text of its commit. */
  submit(message: string): void;
  finish(note: FinishNote): void;
  /** The work is laid aside when the turn ends, until this is answered. */
  park(inquiryId: InquiryId): void;
}
