import type { IssueExtras, IssueRecord, Json, Task } from "@canopy/protocol";
import { taskTypeSchema } from "@canopy/protocol";
import { selectTaskByReference } from "../tasks/select-tasks.ts";
import type { Sql } from "../kernel/sql.ts";
import { UNNAMED_HOLDER } from "./emit-issue.ts";
import { readIssueStatus } from "./issue-status.ts";
import { parseIssueTime } from "./issue-time.ts";

/** Members of a record that tasks have themselves, and those that follow from other issues: not kept as they came. */
const NOT_KEPT: ReadonlySet<string> = new Set(
  `id title description status priority issue_type assignee labels dependencies comments external_ref created_by
   created_at updated_at closed_at close_reason canopy_timeout_ms canopy_agent canopy_model parent dependents
   dependency_count dependent_count comment_count blocked_by blocked_by_count dependency_type`.split(/\s+/),
);

const TIMES = ["created_at", "updated_at", "closed_at"] as const;

const MAX_REFERENCE_CHARS = 200;

/** What a record is turned into. */
export interface BuiltIssue {
  readonly task: Task;
  readonly extras: IssueExtras;
}

/** What is known of an issue before a record is laid over it. `isAtWork` keeps state and holder as they are. */
export interface IssueBase extends BuiltIssue {
  readonly isAtWork: boolean;
}

function keepFields(record: IssueRecord): Record<string, Json> {
  const entries = Object.entries(record).filter(
    (entry): entry is [string, Json] =>
      !NOT_KEPT.has(entry[0]) && entry[1] !== undefined && entry[1] !== null,
  );
  return Object.fromEntries(entries);
}

function keepTimes(record: IssueRecord): Record<string, string> {
  const times: Record<string, string> = {};
  for (const name of TIMES) {
    const text = record[name];
    const atMs = parseIssueTime(text);
    if (typeof text === "string" && atMs !== null && new Date(atMs).toISOString() !== text)
      times[name] = text;
  }
  return times;
}

function readString(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

function readType(record: IssueRecord, base: Task, fields: Record<string, Json>): string {
  const type = readString(record.issue_type);
  if (type === null) return base.taskType;
  if (taskTypeSchema.safeParse(type).success) return type;
  fields["issue_type"] = type;
  return "task";
}

function readReference(
  sql: Sql,
  record: IssueRecord,
  base: Task,
  fields: Record<string, Json>,
): string | null {
  const reference = readString(record.external_ref);
  if (reference === null) return base.externalReference;
  const holder = selectTaskByReference(sql, reference);
  if (reference.length <= MAX_REFERENCE_CHARS && (holder === undefined || holder.taskId === base.taskId))
    return reference;
  fields["external_ref"] = reference;
  return base.externalReference;
}

type State = Pick<Task, "status" | "claim" | "closedAtMs" | "closeReason">;

function readState(record: IssueRecord, base: IssueBase, updatedAtMs: number): State {
  const { task } = base;
  const { status } = readIssueStatus(record.status ?? task.status);
  if (base.isAtWork) {
    const { claim, closedAtMs, closeReason } = task;
    return { status: task.status, claim, closedAtMs, closeReason };
  }
  if (status === "closed") {
    const closedAtMs = parseIssueTime(record.closed_at) ?? task.closedAtMs ?? updatedAtMs;
    return { status, claim: null, closedAtMs, closeReason: record.close_reason ?? task.closeReason ?? "" };
  }
  const holder = readString(record.assignee) ?? UNNAMED_HOLDER;
  const atMs = task.claim?.holder === holder ? task.claim.atMs : updatedAtMs;
  return {
    status,
    claim: status === "in_progress" ? { holder, atMs } : null,
    closedAtMs: null,
    closeReason: null,
  };
}

function readLimit(record: IssueRecord, task: Task): number | null {
  const timeout: unknown = record["canopy_timeout_ms"];
  return typeof timeout === "number" && Number.isInteger(timeout) && timeout > 0 ? timeout : task.timeoutMs;
}

/**
 * Lays a record over what is known of an issue. The record is the whole of it, as exports leave out what is empty; only
 * what trackers do not have (limits, agents) and times stay when it does not say them.
 */
export function buildIssue(sql: Sql, record: IssueRecord, base: IssueBase, nowMs: number): BuiltIssue {
  const { task } = base;
  const fields = keepFields(record);
  const updatedAtMs = parseIssueTime(record.updated_at) ?? nowMs;
  const built: Task = {
    ...task,
    title: record.title,
    description: record.description ?? "",
    taskType: readType(record, task, fields),
    priority: record.priority ?? task.priority,
    labels: [...new Set(record.labels ?? [])],
    assignee: readString(record.assignee),
    ...readState(record, base, updatedAtMs),
    externalReference: readReference(sql, record, task, fields),
    timeoutMs: readLimit(record, task),
    agent: readString(record["canopy_agent"]) ?? task.agent,
    model: readString(record["canopy_model"]) ?? task.model,
    createdBy: readString(record.created_by) ?? task.createdBy,
    createdAtMs: parseIssueTime(record.created_at) ?? task.createdAtMs,
    updatedAtMs,
  };
  const { extra } = readIssueStatus(record.status ?? task.status);
  const extras: IssueExtras = {
    ...base.extras,
    issueId: record.id ?? base.extras.issueId,
    status: base.isAtWork ? base.extras.status : extra,
    fields,
    times: keepTimes(record),
  };
  return { task: built, extras };
}
