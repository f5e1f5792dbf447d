import { createHash, randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { ChildProcessHandle, ProjectConfig, Validation, ValidationStepResult } from "@canopy/protocol";
import { CanopyError } from "@canopy/protocol";
import type { Repository } from "@canopy/git";
import type { Workspace, WorkspaceStore } from "@canopy/workspace";
import { createSandboxSettings } from "@canopy/workspace";
import { createCheckoutSource, sortBring } from "../checkout/create-checkout-source.ts";
import { BoundedOutput } from "./bounded-output.ts";

/** Longest output of one step that is kept, in characters. */
const MAX_OUTPUT_CHARS = 65_536;
/** How long a step's output is waited for after its command has ended: a background process may hold it open. */
const OUTPUT_GRACE_MS = 250;
const STOP_GRACE_MS = 500;

/** What validating needs. */
export interface ValidationContext {
  readonly repository: Repository;
  readonly workspaces: WorkspaceStore;
  readonly project: { readonly projectId: string; readonly name: string };
  readonly checkout: string;
  readonly config: ProjectConfig;
}

/** What is validated. */
export interface ValidationSubject {
  readonly commit: string;
  readonly tree: string;
  readonly branch: string;
  /** Scopes of its lane; null for the lane of everything. */
  readonly scopes: readonly string[] | null;
}

type Step = ProjectConfig["validation"]["steps"][number];

/** The steps that validate a lane: those of its scopes, and those of no scope. Null is the lane of everything. */
function stepsOf(config: ProjectConfig, scopes: readonly string[] | null): Step[] {
  const { enabled, steps } = config.validation;
  if (!enabled) return [];
  return steps.filter(
    (step) =>
      scopes === null || step.scopes.length === 0 || step.scopes.some((scope) => scopes.includes(scope)),
  );
}

/** Hash of everything that decides what a validation of a lane does, beside the tree. */
export function hashCommands(config: ProjectConfig, scopes: readonly string[] | null): string {
  const { timeout } = config.validation;
  const steps = stepsOf(config, scopes);
  const { setup } = config.workspace;
  return createHash("sha256")
    .update(JSON.stringify({ steps, timeout, setup, sandbox: config.sandbox }))
    .digest("hex")
    .slice(0, 32);
}

async function runStep(
  workspace: Workspace,
  step: Step,
  limitMs: number,
  signal: AbortSignal,
): Promise<ValidationStepResult> {
  const startedAt = Date.now();
  const output = new BoundedOutput(MAX_OUTPUT_CHARS);
  const child = await workspace.spawn(["sh", "-c", step.command], { env: workspace.env });
  child.endInput();
  const read = Promise.all([output.read(child.stdout), output.read(child.stderr)]).catch(() => undefined);
  const { exitCode, isTimedOut } = await waitForEnd(child, limitMs, signal);
  await Promise.race([read, sleep(OUTPUT_GRACE_MS)]);
  // Whatever the step left behind in the background must not disturb the next one, nor hold this one's output open.
  await workspace.stopProcesses();
  await read;
  const limit = await workspace.describeLimitHit();
  const state = isTimedOut ? "timed-out" : exitCode === 0 ? "passed" : "failed";
  return {
    name: step.name,
    state,
    required: step.required,
    exitCode,
    durationMs: Date.now() - startedAt,
    output: limit === null ? output.text : `${output.text}\n${limit}`,
  };
}

async function waitForEnd(
  child: ChildProcessHandle,
  limitMs: number,
  signal: AbortSignal,
): Promise<{ readonly exitCode: number | null; readonly isTimedOut: boolean }> {
  const timer = new AbortController();
  const anySignal = AbortSignal.any([timer.signal, signal]);
  const timeout = sleep(limitMs, "timeout" as const, { signal: anySignal }).catch(() => "cancelled" as const);
  const first = await Promise.race([child.exited, timeout]);
  timer.abort();
  if (typeof first === "object") return { exitCode: first.code, isTimedOut: false };
  await child.stop(STOP_GRACE_MS);
  if (signal.aborted) throw new CanopyError("cancelled", "the validation was cancelled");
  return { exitCode: null, isTimedOut: true };
}

/** Validation and the commands that make files anew run under the same rules as agents. */
export async function validationSandbox(
  config: ProjectConfig,
  repository: Repository,
): Promise<Awaited<ReturnType<typeof createSandboxSettings>>> {
  return await createSandboxSettings({
    config: config.sandbox,
    role: "validation",
    agent: null,
    commandLine: [],
    readOnly: [repository.objectDirectory],
  });
}

/**
 * Validates one commit in a workspace of its own, step by step until a required one fails. Process trees are killed at
 * the time-out; a background process that holds a pipe open does not hang it. Throws `cancelled`,
 * `workspace.failed`, `disk.full`.
 */
export async function runValidation(
  context: ValidationContext,
  subject: ValidationSubject,
  signal: AbortSignal,
): Promise<Validation> {
  const { config, repository } = context;
  const startedAt = Date.now();
  await using workspace = await context.workspaces.createWorkspace({
    workspaceId: `validation-${randomUUID()}`,
    project: context.project,
    source: createCheckoutSource(repository, subject.commit, subject.branch),
    bring: await sortBring(context.checkout, config.workspace.bring),
    ...(config.workspace.setup === undefined ? {} : { setupCommand: config.workspace.setup }),
    portCount: config.workspace.ports,
    environment: { inherit: config.workspace.env, set: { CI: "true" } },
    sandbox: await validationSandbox(config, repository),
    metadata: { version: 1, kind: "validation" },
    signal,
  });
  const steps: ValidationStepResult[] = [];
  let isRed = false;
  for (const step of stepsOf(config, subject.scopes)) {
    if (isRed) {
      steps.push({
        name: step.name,
        state: "skipped",
        required: step.required,
        exitCode: null,
        durationMs: 0,
        output: "",
      });
      continue;
    }
    const leftMs = Math.max(1, config.validation.timeout - (Date.now() - startedAt));
    const result = await runStep(workspace, step, Math.min(leftMs, step.timeout ?? leftMs), signal);
    steps.push(result);
    isRed = step.required && result.state !== "passed";
  }
  return {
    tree: subject.tree,
    commandsHash: hashCommands(config, subject.scopes),
    commit: subject.commit,
    state: isRed ? "failed" : "passed",
    flaky: false,
    flakySteps: [],
    tries: 1,
    steps,
    durationMs: Date.now() - startedAt,
  };
}
