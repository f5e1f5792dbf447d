import type { Change, Task } from "@canopy/protocol";
import { describeWork, nameRung } from "../queue/format-change.ts";
import type { RunStep } from "./run-state.ts";

/** What happened to a change: the event's type, the change as it is and as it was. */
export interface ChangeStep {
  readonly type: string;
  readonly change: Change;
  readonly before: Change | undefined;
  readonly task: Task | undefined;
}

const ASIDE: ReadonlySet<string> = new Set(["paused", "ejected", "abandoned"]);

function withWork(what: string, change: Change): string {
  const work = describeWork(change);
  return work === null ? what : `${what}; ${work}`;
}

function listConflicts(change: Change): string {
  return change.conflicts.map((file) => `${file.path} (${file.kind})`).join(", ");
}

/** A rung of the ladder was in vain, and the change is as stuck as before. */
function describeFailedRung(change: Change, before: Change | undefined): string | null {
  const last = change.ladder.at(-1);
  const isNew = before !== undefined && change.ladder.length > before.ladder.length;
  if (!isNew || last?.outcome !== "failed" || before.state !== change.state) return null;
  return withWork(`${nameRung(last.rung)} did not help: ${last.detail}`, change);
}

/** A rung began to work on a stuck change. */
function describeNewWork(change: Change, before: Change | undefined): string | null {
  const attemptId = change.work?.attemptId ?? null;
  const isNew = attemptId !== (before?.work?.attemptId ?? null) || change.work?.rung !== before?.work?.rung;
  if (change.work === null || !isNew) return null;
  if (attemptId === null && change.work.rung !== "regenerate") return null;
  const what = change.state === "failing" ? "breaks the validation" : "conflicted";
  return withWork(what, change);
}

/** A stuck change has new work, and is in the queue again. */
function describeResolution(change: Change, before: Change | undefined): string | null {
  if (before === undefined || change.revision <= before.revision) return null;
  const last = change.ladder.at(-1);
  const who = last === undefined ? "" : ` by ${nameRung(last.rung)}`;
  return `resolved${who}; queued again`;
}

function describeUpdate(change: Change, before: Change | undefined): Pick<RunStep, "kind" | "text"> | null {
  const resolution = describeResolution(change, before);
  if (resolution !== null) return { kind: "resolved", text: resolution };
  const work = describeNewWork(change, before);
  if (work !== null) return { kind: "working", text: work };
  if (change.state === before?.state) return null;
  if (change.state === "blocked") return { kind: "blocked", text: change.reason ?? "landing is blocked" };
  return ASIDE.has(change.state) ? { kind: "aside", text: change.reason ?? change.state } : null;
}

/** What an event of a change means for people who watch the run; null when it is no news. */
export function describeChange({ type, change, before, task }: ChangeStep): RunStep | null {
  const base = { task, attempt: undefined };
  if (type === "change.landed")
    return { ...base, kind: "landed", text: change.landedCommit?.slice(0, 12) ?? "" };
  const inVain = describeFailedRung(change, before);
  if (inVain !== null) return { ...base, kind: "working", text: inVain };
  if (type === "change.conflicted")
    return { ...base, kind: "conflicted", text: withWork(listConflicts(change), change) };
  if (type === "change.failing")
    return { ...base, kind: "failing", text: withWork(change.reason ?? "breaks the validation", change) };
  const update = describeUpdate(change, before);
  return update === null ? null : { ...base, ...update };
}
