import { setTimeout as sleep } from "node:timers/promises";
import type { CheckResult, ProjectConfig } from "@canopy/protocol";
import type { Workspace } from "@canopy/workspace";
import { BoundedOutput } from "../landing/bounded-output.ts";

type Step = ProjectConfig["validation"]["steps"][number];

/** Agents read it: enough to see what failed, not enough to fill their context. */
const MAX_OUTPUT_CHARS = 8_000;
const OUTPUT_GRACE_MS = 250;
const STOP_GRACE_MS = 500;

async function runStep(
  workspace: Pick<Workspace, "spawn" | "env">,
  step: Step,
  limitMs: number,
  signal: AbortSignal,
): Promise<CheckResult> {
  const startedAt = Date.now();
  const output = new BoundedOutput(MAX_OUTPUT_CHARS);
  const child = await workspace.spawn(["sh", "-c", step.command], { env: { ...workspace.env, CI: "true" } });
  child.endInput();
  const read = Promise.all([output.read(child.stdout), output.read(child.stderr)]).catch(() => undefined);
  const timer = new AbortController();
  const limit = sleep(limitMs, null, { signal: AbortSignal.any([timer.signal, signal]) }).catch(() => null);
  const exit = await Promise.race([child.exited, limit]);
  timer.abort();
  // Whatever it left behind goes with it; the agent's own processes are not its children.
  await child.stop(exit === null ? STOP_GRACE_MS : 0);
  await Promise.race([read, sleep(OUTPUT_GRACE_MS)]);
  const state = exit === null ? "timed-out" : exit.code === 0 ? "passed" : "failed";
  return { name: step.name, state, durationMs: Date.now() - startedAt, output: output.text };
}

/**
 * Runs the project's validation steps on a session's files as they are, all of them also when one fails. `names` chooses; none
 * means all. The steps' and the whole validation's time limits hold.
 */
export async function runChecks(
  workspace: Pick<Workspace, "spawn" | "env">,
  validation: ProjectConfig["validation"],
  options: { readonly names: readonly string[]; readonly signal: AbortSignal },
): Promise<CheckResult[]> {
  const { names, signal } = options;
  const startedAt = Date.now();
  const results: CheckResult[] = [];
  for (const step of validation.steps) {
    if (names.length > 0 && !names.includes(step.name)) continue;
    const leftMs = validation.timeout - (Date.now() - startedAt);
    if (leftMs <= 0 || signal.aborted) {
      results.push({ name: step.name, state: "skipped", durationMs: 0, output: "" });
      continue;
    }
    results.push(await runStep(workspace, step, Math.min(leftMs, step.timeout ?? leftMs), signal));
  }
  return results;
}
