import type { Attempt, Run } from "@canopy/protocol";
import type { RunState, RunStep } from "./run-state.ts";
import { cut, formatDuration, sanitizeLine } from "../output/format.ts";

/** Shows how a run goes. */
export interface ProgressDisplay {
  step(step: RunStep): void;
  /** Something may have changed: draw when it is time to. */
  refresh(): void;
  note(text: string): void;
  /** Draws no more. */
  end(): void;
}

const WORDS: Readonly<Record<RunStep["kind"], string>> = {
  started: "started",
  finished: "finished",
  landed: "landed",
  conflicted: "CONFLICT",
  failing: "RED",
  working: "mending",
  resolved: "resolved",
  aside: "aside",
  failed: "FAILED",
  retry: "again",
  unchanged: "unchanged",
  killed: "killed",
  blocked: "BLOCKED",
};

function formatStep(step: RunStep): string {
  const number = step.task === undefined ? "#?" : `#${step.task.number}`;
  const title = sanitizeLine(step.task?.title ?? "");
  return `${WORDS[step.kind].padEnd(9)} ${number.padEnd(5)} ${title}  ${sanitizeLine(step.text)}`.trimEnd();
}

/** Plain lines, one a step: for files, pipes and logs. */
export function createPlainDisplay(write: (text: string) => void): ProgressDisplay {
  return {
    step: (step) => write(`${formatStep(step)}\n`),
    refresh: () => {},
    note: (text) => write(`${text}\n`),
    end: () => {},
  };
}

/** Shows nothing; for `--json`. */
export function createSilentDisplay(): ProgressDisplay {
  return { step: () => {}, refresh: () => {}, note: () => {}, end: () => {} };
}

const REDRAW_MS = 100;

/** What a terminal display draws with. */
export interface TerminalPort {
  /** Draws lines in place of those drawn before. */
  draw(text: string): void;
  /** Prints lines above, for good. */
  print(text: string): void;
  done(): void;
  readonly columns: number;
}

/**
 * One calm line per agent below a line of totals, redrawn at most ten times a second; what is over scrolls up and stays.
 */
export function createTerminalDisplay(state: RunState, terminal: TerminalPort): ProgressDisplay {
  let timer: NodeJS.Timeout | undefined;
  let isDirty = false;
  const draw = (): void => {
    isDirty = false;
    terminal.draw(formatFrame(state, terminal.columns, Date.now()));
  };
  timer = setInterval(() => {
    if (isDirty || state.activeAttempts().length > 0) draw();
  }, REDRAW_MS);
  return {
    step: (step) => {
      if (step.kind !== "started" && step.kind !== "finished") {
        terminal.print(cut(formatStep(step), terminal.columns - 1));
      }
      isDirty = true;
    },
    refresh: () => {
      isDirty = true;
    },
    note: (text) => terminal.print(text),
    end: () => {
      clearInterval(timer);
      timer = undefined;
      terminal.draw("");
      terminal.done();
    },
  };
}

/** How many of a run's changes and agents are where. */
function formatCounts(state: RunState, run: Run): string[] {
  const { totals } = run;
  const changes = [...state.changes.values()].filter((change) => change.runId === run.runId);
  const count = (states: readonly string[]): number =>
    changes.filter((change) => states.includes(change.state)).length;
  const counts: readonly (readonly [number, string])[] = [
    [totals.failed, "failed"],
    [totals.conflicted, "conflicted"],
    [count(["queued", "building", "landing"]), "landing"],
    [count(["testing"]), "being validated"],
    [changes.filter((change) => change.work !== null).length, "being mended"],
  ];
  return [
    `${totals.landed} landed`,
    `${state.activeAttempts().length} at work`,
    ...counts.filter(([number]) => number > 0).map(([number, what]) => `${number} ${what}`),
  ];
}

function formatAttempt(state: RunState, attempt: Attempt, nowMs: number): string {
  const task = state.tasks.get(attempt.taskId);
  const time = attempt.startedAtMs === null ? "waits" : formatDuration(nowMs - attempt.startedAtMs);
  // Journals before 0.2 have no ladder.
  const rung = attempt.ladder?.rung;
  const mends = rung === undefined ? "" : `(${rung}) `;
  const title = cut(`${mends}${sanitizeLine(task?.title ?? "")}`, 40).padEnd(40);
  const activity = state.activity.get(attempt.attemptId) ?? "";
  const head = `  #${String(task?.number ?? "?").padEnd(4)} ${time.padStart(6)}  ${title}`;
  return `${head}  ${sanitizeLine(activity)}`;
}

function formatFrame(state: RunState, columns: number, nowMs: number): string {
  const { run } = state;
  if (run === null) return "";
  const parts = [...formatCounts(state, run), ...(run.state === "running" ? [] : [run.state])];
  const lines = [`${parts.join(", ")}  ${formatDuration(nowMs - run.startedAtMs)}`];
  for (const attempt of state.activeAttempts())
    lines.push(cut(formatAttempt(state, attempt, nowMs), columns - 1));
  return lines.join("\n");
}
