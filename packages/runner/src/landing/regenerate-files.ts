import { randomUUID } from "node:crypto";
import { matchesGlob } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { ProjectConfig, RegenerateJob } from "@canopy/protocol";
import { CanopyError } from "@canopy/protocol";
import { applyChoices, findConflictMarkers, listChanges, updateRefs, writeCommit } from "@canopy/git";
import type { Workspace } from "@canopy/workspace";
import { captureWorkspace } from "../attempts/capture-workspace.ts";
import { createCheckoutSource, sortBring } from "../checkout/create-checkout-source.ts";
import { BoundedOutput } from "./bounded-output.ts";
import { readMessage } from "./build-stack.ts";
import { commitPeople } from "./commit-identity.ts";
import type { Lease, QueueContext } from "./queue-context.ts";
import { validationSandbox } from "./run-validation.ts";

type Rule = ProjectConfig["queue"]["regenerate"][number];

const MAX_OUTPUT_CHARS = 8000;
const STOP_GRACE_MS = 500;
/** Where work is kept that replaces a change's own: followed by the change's id. */
const RESOLVED_REF_PREFIX = "refs/canopy/resolved/";

async function runRule(workspace: Workspace, rule: Rule, signal: AbortSignal): Promise<void> {
  const output = new BoundedOutput(MAX_OUTPUT_CHARS);
  const child = await workspace.spawn(["sh", "-c", rule.command], { env: workspace.env });
  child.endInput();
  const read = Promise.all([output.read(child.stdout), output.read(child.stderr)]).catch(() => undefined);
  const timer = new AbortController();
  const limit = sleep(rule.timeout, null, { signal: AbortSignal.any([timer.signal, signal]) }).catch(
    () => null,
  );
  const exit = await Promise.race([child.exited, limit]);
  timer.abort();
  if (exit === null) await child.stop(STOP_GRACE_MS);
  await workspace.stopProcesses();
  await read;
  if (signal.aborted) throw new CanopyError("cancelled", "making files anew was cancelled");
  if (exit === null) throw new CanopyError("work.failed", `'${rule.command}' did not end within its time`);
  if (exit.code !== 0) {
    throw new CanopyError(
      "work.failed",
      `'${rule.command}' ended with exit code ${String(exit.code)}:\n${output.text}`,
    );
  }
}

/** The rules that conflicting paths ask for, each once, in the order of the configuration. */
function rulesFor(config: ProjectConfig, paths: readonly string[]): Rule[] {
  return config.queue.regenerate.filter((rule) =>
    paths.some((path) => rule.paths.some((glob) => matchesGlob(path, glob))),
  );
}

/** The change's work once more, with another tree, on the tip. */
async function writeWork(context: QueueContext, { item, tip }: RegenerateJob, tree: string): Promise<string> {
  const { repository, config } = context;
  const { author, committer } = commitPeople({
    policy: config.commits,
    person: context.person,
    askedBy: item.askedBy,
    agent: item.agent,
    model: item.model,
    nowMs: context.now(),
  });
  const message = await readMessage(repository, item.commit);
  return await writeCommit(repository, { tree, parents: [tip], author, committer, message });
}

/**
 * Gets a change past a conflict in generated files: everything else is merged, the branch's version of those files is
 * taken, and their commands make them anew in a workspace. Throws `work.failed` with what a command printed.
 */
export async function regenerateFiles(
  context: QueueContext,
  lease: Lease,
  job: RegenerateJob,
): Promise<void> {
  const { repository, engine, config, signal } = context;
  const { item, tip } = job;
  const startedAtMs = context.now();
  const merge = await engine.mergeCommit({ tip, change: item.commit, signal });
  const paths = merge.state === "clean" ? [] : merge.files.map((file) => file.path);
  const taken =
    merge.state === "clean"
      ? { tree: merge.tree, unresolved: [] }
      : await applyChoices(repository, merge, new Map(paths.map((path) => [path, { take: "ours" }])));
  if (taken.unresolved.length > 0)
    throw new CanopyError("work.failed", `not only generated files conflict: ${taken.unresolved.join(", ")}`);
  const start = await writeWork(context, job, taken.tree);
  await using workspace = await context.workspaces.createWorkspace({
    workspaceId: `regenerate-${randomUUID()}`,
    project: context.project,
    source: createCheckoutSource(repository, start, job.baseBranch),
    bring: await sortBring(context.checkout, config.workspace.bring),
    ...(config.workspace.setup === undefined ? {} : { setupCommand: config.workspace.setup }),
    portCount: config.workspace.ports,
    environment: { inherit: config.workspace.env },
    sandbox: await validationSandbox(config, repository),
    metadata: { version: 1, kind: "regenerate" },
    signal,
  });
  for (const rule of rulesFor(config, paths)) await runRule(workspace, rule, signal);
  const capture = await captureWorkspace(repository, workspace);
  const marked = await findConflictMarkers(repository, capture.tree, paths);
  if (marked.length > 0)
    throw new CanopyError("work.failed", `conflict markers are left in ${marked.join(", ")}`);
  const commit = await writeWork(context, job, capture.tree);
  await updateRefs(repository, [{ ref: `${RESOLVED_REF_PREFIX}${item.changeId}`, newCommit: commit }]);
  const changed = await listChanges(repository, (await repository.readCommit(tip)).tree, capture.tree);
  await context.source.submit(
    {
      type: "change.regenerate",
      ...lease,
      result: { commit, filesChanged: changed.length, paths, durationMs: context.now() - startedAtMs },
    },
    `regenerate:${lease.jobId}:${lease.fence}`,
  );
}
