// A whole `canopy run` of one task after another, each with a real agent in the default sandbox, with and without agents that wait for
// their task: what a person waits for.
import { createModelScript } from "@canopy/agents";
import type { ScriptedModel } from "@canopy/agents";
import type { Attempt } from "@canopy/protocol";
import { findRealAgent } from "@canopy/testkit";
import type { RealAgentName } from "@canopy/testkit";
import { openTestHome } from "../apps/cli/src/e2e/open-test-home.ts";
import type { TestHome } from "../apps/cli/src/e2e/open-test-home.ts";
import {
  SANDBOX_WITH_LOOPBACK,
  createRealProject,
} from "../apps/cli/src/e2e/test-support/create-real-project.ts";
import { median } from "./bench-result.ts";

/** Tasks of a run: the first one never finds an agent that waits. */
export const RUN_TASKS = 4;
/** Turn about, each in a new repository; the middle counts. */
export const ROUNDS = 3;

interface MeasuredRun {
  readonly runMs: number;
  /** Of the tasks after the first, in the middle: from the moment that it was begun with to its end. */
  readonly taskMs: number;
}

interface RunPlace {
  readonly home: TestHome;
  readonly name: RealAgentName;
  readonly model: ScriptedModel;
  readonly round: number;
  readonly isWarm: boolean;
}

async function measureRun({ home, name, model, round, isWarm }: RunPlace): Promise<MeasuredRun> {
  const project = await createRealProject(home, {
    name,
    program: findRealAgent(name) ?? "",
    modelUrl: model.url,
    config: SANDBOX_WITH_LOOPBACK,
    folder: `${name}-${isWarm ? "warm" : "cold"}-${round}`,
    isWarm,
  });
  await home.canopy(["down"]);
  for (let number = 1; number <= RUN_TASKS; number += 1) {
    const write = { tool: "write", args: { path: `file-${number}.txt`, content: "made\n" } };
    const script = createModelScript([write, { text: "made" }]);
    await home.ask(["task", "add", `Task ${number}`, "--description", script], project);
  }
  const startedAt = performance.now();
  const ran = await home.canopy(["run", "-c", "1", "--agent", "real", "--json"], project);
  const runMs = performance.now() - startedAt;
  if (ran.code !== 0)
    throw new Error(`${name}: the run ended with ${String(ran.code)}: ${ran.stdout}${ran.stderr}`);
  const times: number[] = [];
  for (let number = 2; number <= RUN_TASKS; number += 1) {
    const { attempts } = await home.ask<{ attempts: Attempt[] }>(["task", "show", String(number)], project);
    const [attempt] = attempts;
    times.push((attempt?.endedAtMs ?? Number.NaN) - (attempt?.queuedAtMs ?? Number.NaN));
  }
  return { runMs, taskMs: median(times) };
}

/** A line for an agent: the whole run and its later tasks, without and with agents that wait. */
export async function describeRuns(name: RealAgentName, model: ScriptedModel): Promise<string> {
  await using home = await openTestHome();
  const place = { home, name, model };
  const cold: MeasuredRun[] = [];
  const warm: MeasuredRun[] = [];
  for (let round = 1; round <= ROUNDS; round += 1) {
    cold.push(await measureRun({ ...place, round, isWarm: false }));
    warm.push(await measureRun({ ...place, round, isWarm: true }));
  }
  await home.shutDown();
  const middle = (runs: readonly MeasuredRun[], key: keyof MeasuredRun): number =>
    median(runs.map((run) => run[key]));
  const pair = (left: number, right: number): string => `${Math.round(left)} / ${Math.round(right)} ms`;
  return `${name}: whole run ${pair(middle(cold, "runMs"), middle(warm, "runMs"))}, a later task ${pair(middle(cold, "taskMs"), middle(warm, "taskMs"))}`;
}
