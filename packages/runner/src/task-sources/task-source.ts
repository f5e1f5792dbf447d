/** Where a task stands, in Canopy's words. `other` is a tracker's own status that says neither open nor closed. */
export type SourceTaskState =
  | "open"
  | "in_progress"
  | "blocked"
  | "deferred"
  | "needs-input"
  | "closed"
  | "other";

/** What one task has to do with another. Only `blocks` and `parent-child` hold work back. */
export type SourceDependencyKind = "blocks" | "parent-child" | "related" | "discovered-from";

/** A task that this one depends on. */
export interface SourceDependency {
  readonly id: string;
  readonly kind: SourceDependencyKind;
}

/** A task as a tracker has it. */
export interface SourceTask {
  readonly id: string;
  readonly title: string;
  readonly description: string;
  /** `task`, `bug`, `feature`, `epic`, ...; whatever the tracker says. */
  readonly type: string;
  /** 0 is the most urgent, 4 the least. */
  readonly priority: number;
  readonly state: SourceTaskState;
  readonly labels: readonly string[];
  readonly assignee: string | null;
  readonly notes: string;
  readonly dependencies: readonly SourceDependency[];
  readonly timeoutMs: number | null;
  readonly externalReference: string | null;
  readonly updatedAtMs: number | null;
}

/** A task to be made. */
export interface NewSourceTask {
  readonly title: string;
  readonly description?: string;
  readonly type?: string;
  readonly priority?: number;
  readonly labels?: readonly string[];
  readonly dependencies?: readonly SourceDependency[];
  readonly externalReference?: string;
}

/** Whether a claim was granted; `by` is who has the task instead, when the tracker says so. */
export type ClaimOutcome =
  | { readonly type: "claimed" }
  | { readonly type: "taken"; readonly by: string | null };

/**
 * A tracker that tasks come from and results go to. Every call may take long and can fail with `task-source.failed`;
 * `retry` on the error says whether trying again can help. An aborted signal ends the call with `cancelled`.
 */
export interface TaskSource {
  readonly name: string;
  /** All tasks that are not closed. */
  list(signal: AbortSignal): Promise<SourceTask[]>;
  /** Tasks that can be started now, in the tracker's order. Tasks that wait for a person (`needs-*`) are left out. */
  ready(signal: AbortSignal): Promise<SourceTask[]>;
  /** One task; null when there is none of this id. */
  show(id: string, signal: AbortSignal): Promise<SourceTask | null>;
  /** Takes a task for `holder`. Claiming again for the same holder is granted. */
  claim(id: string, holder: string, signal: AbortSignal): Promise<ClaimOutcome>;
  /** Closes a task that is done. */
  complete(id: string, reason: string, signal: AbortSignal): Promise<void>;
  /** Gives a task back with the reason, for another try or, when permanent, for a person to look at. */
  fail(
    id: string,
    why: string,
    options: { readonly isPermanent: boolean },
    signal: AbortSignal,
  ): Promise<void>;
  /** Marks a task as waiting for a person's answer. */
  needsInput(id: string, why: string, signal: AbortSignal): Promise<void>;
  /** Adds a comment. */
  comment(id: string, text: string, signal: AbortSignal): Promise<void>;
  /** Makes a task and resolves with its id. */
  create(task: NewSourceTask, signal: AbortSignal): Promise<string>;
}
