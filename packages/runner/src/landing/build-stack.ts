import { createHash } from "node:crypto";
import { matchesGlob } from "node:path";
import type { BuildJob, BuildOutcome, LandItem } from "@canopy/protocol";
import { CanopyError } from "@canopy/protocol";
import type { LostLines, Repository, StackedChange, StackedResult } from "@canopy/git";
import {
  findLostLines,
  isAncestor,
  readAgentCommits,
  readRef,
  updateRefs,
  worktreesWithBranch,
} from "@canopy/git";
import { commitPeople } from "./commit-identity.ts";
import { createQueuePolicy } from "./create-queue-policy.ts";
import type { Lease, QueueContext } from "./queue-context.ts";
import { readScopes, validationKey } from "./read-scopes.ts";

/** Keeps the candidates of a lane alive while they wait: followed by a hash of branch and lane. */
export const STACK_REF_PREFIX = "refs/canopy/stacks/";

/** Throws `repository.branch-checked-out` when a work tree has the integration branch checked out. */
export async function requireFreeBranch(repository: Repository, integrationRef: string): Promise<void> {
  const branch = integrationRef.replace(/^refs\/heads\//, "");
  const [worktree] = await worktreesWithBranch(repository, branch);
  if (worktree === undefined) return;
  throw new CanopyError("repository.branch-checked-out", `${branch} is checked out in ${worktree}`, {
    hint: `check out another branch there, then: canopy queue resume`,
  });
}

/** The whole message of a commit, trailers included. */
export async function readMessage(repository: Repository, commit: string): Promise<string> {
  const object = await repository.readObject(commit);
  if (object?.kind !== "commit") throw new CanopyError("git.failed", `commit ${commit} is gone`);
  const text = object.content.toString("utf8");
  return text.slice(text.indexOf("\n\n") + 2);
}

async function toStackedChange(context: QueueContext, item: LandItem): Promise<StackedChange> {
  const { repository, config } = context;
  const { strategy } = config.queue;
  const people = commitPeople({
    policy: config.commits,
    person: context.person,
    askedBy: item.askedBy,
    agent: item.agent,
    model: item.model,
    nowMs: context.now(),
  });
  // The attempt's own commit has its message and trailers already.
  const message = await readMessage(repository, item.commit);
  const commits =
    strategy === "keep" ? await readAgentCommits(repository, item.attemptId, item.baseCommit) : [];
  return {
    change: item.commit,
    author: people.author,
    committer: people.committer,
    message,
    strategy,
    commits,
  };
}

/**
 * What a candidate would take away of others' work, unless whoever merged had to decide there and kept something of both
 * sides. A plain three-way merge never loses any.
 */
export function listBreaches(lost: readonly LostLines[]): LostLines[] {
  return lost.filter((item) => !item.isContested || item.isVerbatimTheirs);
}

function describeClean(result: Extract<StackedResult, { state: "clean" }>): string {
  const { evidence, note, strategyUsed } = result;
  const parts = [
    evidence.drivers.length > 0 ? `merge drivers: ${evidence.drivers.join(", ")}` : "",
    strategyUsed === "squash" ? "" : `landed as ${strategyUsed}`,
    note ?? "",
  ];
  return parts.filter((part) => part !== "").join("; ");
}

interface Build {
  readonly context: QueueContext;
  /** The branch as it is; candidates stand on it and on each other. */
  readonly tip: string;
  readonly keyOf: (tree: string) => Promise<string>;
  top: { commit: string; tree: string };
}

async function buildOne(build: Build, item: LandItem): Promise<BuildOutcome> {
  const { context, top } = build;
  const { engine, repository, signal } = context;
  const { changeId } = item;
  const stack = await engine.buildStack(top.commit, [await toStackedChange(context, item)], signal);
  const [result] = stack.results;
  if (result === undefined) throw new CanopyError("internal", "the merge engine left out a change");
  if (result.state === "empty") {
    const rung = "identical" as const;
    const detail = "the branch has all of it already";
    const same = { commit: top.commit, tree: top.tree, key: await build.keyOf(top.tree) };
    return { state: "built", candidate: { changeId, ...same, isEmpty: true, rung, detail, paths: [] } };
  }
  if (result.state === "conflicted") return await judgeConflict(build, item, result);
  const lost = item.isLossAccepted
    ? []
    : listBreaches(
        await findLostLines(repository, {
          base: item.baseCommit,
          tip: top.commit,
          change: item.commit,
          candidate: result.commit,
        }),
      );
  if (lost.length > 0) {
    const report = lost.map(({ path, lines, count }) => ({ path, lines: [...lines], count }));
    return { state: "reverting", changeId, lost: report };
  }
  const { commit, tree, evidence } = result;
  build.top = { commit, tree };
  return {
    state: "built",
    candidate: {
      changeId,
      commit,
      tree,
      key: await build.keyOf(tree),
      isEmpty: false,
      rung: evidence.rung,
      detail: describeClean(result),
      paths: evidence.contestedPaths.slice(0, 100),
    },
  };
}

async function judgeConflict(
  build: Build,
  item: LandItem,
  result: Extract<StackedResult, { state: "conflicted" }>,
): Promise<BuildOutcome> {
  const { context, tip, top } = build;
  const { changeId } = item;
  let conflict: Pick<typeof result, "files" | "messages"> = result;
  if (top.commit !== tip) {
    // Only a conflict with what has landed is one for good: what stands between may never land.
    const alone = await context.engine.mergeCommit({ tip, change: item.commit, signal: context.signal });
    if (alone.state === "clean") return { state: "waits", changeId };
    conflict = alone;
  }
  const conflicts = conflict.files.map((file) => ({ path: file.path, kind: file.kind }));
  const rules = context.config.queue.regenerate;
  const isGenerated = (path: string): boolean =>
    rules.some((rule) => rule.paths.some((glob) => matchesGlob(path, glob)));
  return {
    state: "conflicted",
    changeId,
    conflicts,
    message: conflict.messages.join("\n").slice(0, 8000),
    canRegenerate: conflicts.length > 0 && conflicts.every((file) => isGenerated(file.path)),
  };
}

function stackRef({ integrationRef, lane }: BuildJob): string {
  const hash = createHash("sha256").update(`${integrationRef}\0${lane}`).digest("hex").slice(0, 16);
  return `${STACK_REF_PREFIX}${hash}`;
}

/**
 * Builds the candidates of a lane in the object database: each change merged on those before it. The user's checkout, index
 * and HEAD are never read or written. Throws what git throws, and `repository.branch-checked-out`.
 */
export async function buildStack(context: QueueContext, lease: Lease, job: BuildJob): Promise<void> {
  const { repository, source } = context;
  await requireFreeBranch(repository, job.integrationRef);
  const refCommit = await readRef(repository, job.integrationRef);
  const tip = refCommit ?? (await readRef(repository, `refs/heads/${job.baseBranch}`));
  if (tip === null) throw new CanopyError("git.failed", `there is no branch ${job.baseBranch} to land on`);
  const isStale = job.onto !== null && !(await isAncestor(repository, tip, job.onto));
  const tipTree = (await repository.readCommit(tip)).tree;
  const onto = job.onto ?? tip;
  const rules = job.scopes === null ? [] : await readScopes(repository, context.config, tip);
  const build: Build = {
    context,
    tip,
    keyOf: async (tree) => await validationKey(repository, tree, { scopes: job.scopes, rules }),
    top: { commit: onto, tree: (await repository.readCommit(onto)).tree },
  };
  const outcomes: BuildOutcome[] = [];
  if (!isStale) {
    for (const item of job.items) outcomes.push(await buildOne(build, item));
    if (build.top.commit !== onto)
      await updateRefs(repository, [{ ref: stackRef(job), newCommit: build.top.commit }]);
  }
  await source.submit(
    {
      type: "stack.build",
      ...lease,
      onto: job.onto,
      isStale,
      refCommit,
      tip,
      tipTree,
      tipKey: await build.keyOf(tipTree),
      policy: createQueuePolicy(context.config, job.scopes),
      outcomes,
    },
    `build:${lease.jobId}:${lease.fence}`,
  );
}
