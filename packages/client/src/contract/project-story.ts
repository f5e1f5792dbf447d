import type { Json, LeasedJob } from "@canopy/protocol";
import { createRandom } from "@canopy/core";
import type { ProjectDriver } from "@canopy/testkit";
import { attemptResult, failedResult, openProjectDriver } from "@canopy/testkit";

/** A project in which things happen by chance: the same seed, the same story. */
export interface ProjectStory {
  readonly driver: ProjectDriver;
  /** Lets one thing happen; what is refused does not. */
  step(): void;
}

const FAILURES = ["crash", "timeout", "rate-limit", "no-op", "validation"];

/** Begins a story: tasks come and change, runs start and stop, agents work, fail and are killed, changes land or conflict. */
export function openProjectStory(seed: number): ProjectStory {
  const driver = openProjectDriver(seed);
  const random = createRandom(seed + 1);
  const pick = <T>(items: readonly T[]): T | undefined => items[Math.floor(random() * items.length)];
  const held: LeasedJob[] = [];
  let taskCount = 0;
  let runIds: string[] = [];
  const anyTask = (): string => String(1 + Math.floor(random() * Math.max(1, taskCount)));
  const finishOne = (): void => {
    const [job] = held.splice(Math.floor(random() * held.length), 1);
    if (job === undefined) return;
    const { jobId, fence } = job.job;
    const result = random() < 0.7 ? attemptResult() : failedResult(pick(FAILURES) ?? "crash");
    if (random() < 0.8)
      driver.submit({ type: "attempt.start", jobId, fence, baseCommit: "base", workspaceBackend: "overlay" });
    driver.submit({ type: "attempt.finish", jobId, fence, result });
  };
  const happenings: readonly (() => void)[] = [
    () => {
      const task: Json = { title: `Task ${taskCount} – ünïcode ✓`, labels: random() < 0.3 ? ["ui"] : [] };
      if (driver.submit({ type: "task.create", task }).type === "accepted") taskCount += 1;
    },
    () =>
      driver.submit({ type: "task.update", task: anyTask(), patch: { priority: Math.floor(random() * 5) } }),
    () => driver.submit({ type: "task.comment", task: anyTask(), text: "a remark" }),
    () => driver.submit({ type: "task.claim", task: anyTask(), holder: "ada" }),
    () => driver.submit({ type: "task.release", task: anyTask(), holder: "ada" }),
    () => driver.submit({ type: "task.close", task: anyTask() }),
    () => driver.submit({ type: "task.reopen", task: anyTask() }),
    () => driver.submit({ type: "dependency.add", task: anyTask(), on: anyTask() }),
    () => driver.submit({ type: "dependency.remove", task: anyTask(), on: anyTask() }),
    () => {
      const options = { baseBranch: "main", concurrency: 1 + Math.floor(random() * 4), maxRetries: 1 };
      const answer = driver.submit({ type: "run.start", options });
      if (answer.type === "accepted") runIds = [...runIds, readRunId(answer.result)].slice(-5);
    },
    () =>
      driver.submit({
        type: "run.stop",
        runId: pick(runIds) ?? "run_none",
        mode: random() < 0.5 ? "drain" : "now",
      }),
    () => driver.submit({ type: "attempt.kill", target: anyTask() }),
    () => held.push(...driver.lease(["attempt"], 2)),
    finishOne,
    finishOne,
    () => driver.land([`Task ${Math.floor(random() * taskCount)} – ünïcode ✓`]),
    () => driver.advance(Math.floor(random() * 120_000)),
  ];
  return { driver, step: () => pick(happenings)?.() };
}

function readRunId(result: Json): string {
  const run: unknown = typeof result === "object" && result !== null ? Reflect.get(result, "run") : null;
  return typeof run === "object" && run !== null ? String(Reflect.get(run, "runId")) : "";
}
