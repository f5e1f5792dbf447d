import type { Attempt, Change, KeptPatch, Resolution, Task } from "@canopy/protocol";
import { CanopyError } from "@canopy/protocol";
import { selectAttempt, selectChange, selectChanges, selectTask } from "@canopy/core";
import type { ExpiredRef, Repository } from "@canopy/git";
import {
  ATTEMPT_REF_PREFIX,
  COMMITS_REF_PREFIX,
  FAILED_REF_PREFIX,
  RESOLVED_REF_PREFIX,
  expireRefs,
  exportPatch,
  isAncestor,
  openMergeEngine,
  readRef,
  writeCommit,
} from "@canopy/git";
import type { Asked } from "@canopy/server";
import type { QueueProject } from "./change-merge.ts";
import { readChangeContext } from "./change-merge.ts";
import { submitNewWork, writeNewTree } from "./resolve-change.ts";

const KINDS = [
  { kind: "failed", prefix: FAILED_REF_PREFIX },
  { kind: "attempt", prefix: ATTEMPT_REF_PREFIX },
  { kind: "resolved", prefix: RESOLVED_REF_PREFIX },
] as const;
const PREFIXES = KINDS.map(({ prefix }) => prefix);

interface Owner {
  readonly change: Change | undefined;
  readonly attempt: Attempt | undefined;
  readonly task: Task | undefined;
}

type Kind = (typeof KINDS)[number]["kind"];

/** Throws `request.invalid` for refs that hold no kept work. */
function parseKeptRef(text: string): { readonly ref: string; readonly kind: Kind; readonly id: string } {
  const ref = text.startsWith("refs/") ? text : `refs/canopy/${text}`;
  const found = KINDS.find(({ prefix }) => ref.startsWith(prefix));
  if (found === undefined || !/^[A-Za-z0-9/_-]+$/.test(ref)) {
    throw new CanopyError("request.invalid", `no ref of kept work: ${text}`, {
      hint: "list them with: canopy queue patches",
    });
  }
  const [id = ""] = ref.slice(found.prefix.length).split("/");
  return { ref, kind: found.kind, id };
}

/** Whose work is kept, as the room knows it. */
function createOwnerLookup({ room }: QueueProject): (kind: Kind, id: string) => Owner {
  const changes = room.read((sql) => selectChanges(sql));
  const byAttempt = new Map<string, Change>();
  for (const change of changes) {
    byAttempt.set(change.attemptId, change);
    for (const { attemptId } of change.ladder) if (attemptId !== null) byAttempt.set(attemptId, change);
  }
  return (kind, id) =>
    room.read((sql) => {
      const attempt = kind === "attempt" ? selectAttempt(sql, id) : undefined;
      const ofLadder = attempt?.ladder?.changeId;
      const change =
        kind === "attempt"
          ? (byAttempt.get(id) ?? (ofLadder === undefined ? undefined : selectChange(sql, ofLadder)))
          : selectChange(sql, id);
      const taskId = change?.taskId ?? attempt?.taskId;
      const task = taskId === undefined ? undefined : selectTask(sql, taskId);
      return { change, attempt: attempt ?? undefined, task };
    });
}

async function listDated(
  repository: Repository,
): Promise<{ readonly ref: string; readonly commit: string; readonly atMs: number }[]> {
  const format = "--format=%(objectname) %(committerdate:unix) %(refname)";
  const output = await repository.git(["for-each-ref", format, ...PREFIXES]);
  const lines = output.stdout.toString("utf8").split("\n").filter(Boolean);
  return lines.map((line) => {
    const [commit = "", seconds = "0", ref = ""] = line.split(" ");
    return { ref, commit, atMs: Number(seconds) * 1000 };
  });
}

type OwnerFields = Omit<KeptPatch, "ref" | "commit" | "kind" | "ageMs">;

function describeOwner({ change, attempt, task }: Owner): OwnerFields {
  return {
    changeId: change?.changeId ?? null,
    changeState: change?.state ?? null,
    attemptId: attempt?.attemptId ?? change?.attemptId ?? null,
    taskId: task?.taskId ?? null,
    taskNumber: task?.number ?? null,
    title: task?.title ?? "",
  };
}

/** Kept work that did not land, oldest first. Work of changes that landed, or wait in the queue as it is, is no part. */
export async function listKeptPatches(project: QueueProject, nowMs: number): Promise<KeptPatch[]> {
  const ownerOf = createOwnerLookup(project);
  const patches: KeptPatch[] = [];
  for (const { ref, commit, atMs } of await listDated(project.repository)) {
    const { kind, id } = parseKeptRef(ref);
    const owner = ownerOf(kind, id);
    const { change, task } = owner;
    const isDone = change === undefined ? task?.status === "closed" : change.state === "landed";
    if (!isDone)
      patches.push({ ref, commit, kind, ...describeOwner(owner), ageMs: Math.max(0, nowMs - atMs) });
  }
  return patches.sort((left, right) => right.ageMs - left.ageMs || (left.ref < right.ref ? -1 : 1));
}

async function findKept(
  { repository }: QueueProject,
  text: string,
): Promise<ReturnType<typeof parseKeptRef> & { readonly commit: string; readonly parent: string }> {
  const parsed = parseKeptRef(text);
  const commit = await readRef(repository, parsed.ref);
  if (commit === null) throw new CanopyError("thing.not-found", `no kept work under ${parsed.ref}`);
  const [parent] = (await repository.readCommit(commit)).parents;
  if (parent === undefined)
    throw new CanopyError("git.failed", `${parsed.ref} has no parent to compare with`);
  return { ...parsed, commit, parent };
}

/** A kept commit as a patch in mail form. Throws `thing.not-found`, `request.invalid`. */
export async function exportKeptPatch(
  project: QueueProject,
  text: string,
): Promise<{ readonly ref: string; readonly commit: string; readonly patch: Uint8Array }> {
  const { ref, commit, parent } = await findKept(project, text);
  return { ref, commit, patch: await exportPatch(project.repository, { base: parent, commit }) };
}

/**
 * A failed candidate stands on others that may never land, so what it alone changes is merged with the branch: three
 * commits without history, so that the merge has exactly this base.
 */
async function moveOnTip(
  { repository }: QueueProject,
  kept: { readonly commit: string; readonly parent: string; readonly ref: string },
  tip: string,
): Promise<string> {
  const nobody = { name: "Canopy", email: "canopy@localhost", atMs: 0 };
  const treeOf = async (commit: string): Promise<string> => (await repository.readCommit(commit)).tree;
  const write = (tree: string, parents: readonly string[]): Promise<string> =>
    writeCommit(repository, { tree, parents, author: nobody, committer: nobody, message: "merge base" });
  const base = await write(await treeOf(kept.parent), []);
  const ours = await write(await treeOf(tip), [base]);
  const theirs = await write(await treeOf(kept.commit), [base]);
  const merge = await openMergeEngine(repository).mergeCommit({ tip: ours, change: theirs });
  if (merge.state === "clean") return merge.tree;
  const paths = merge.files.map((file) => file.path);
  throw new CanopyError("conflict", `${kept.ref} does not go on the branch any more: ${paths.join(", ")}`, {
    hint: "export it with: canopy queue patches --export DIR",
    data: { paths },
  });
}

/** Makes a kept commit its change's work again. Throws `conflict`, `thing.not-found`, and what the room refuses. */
export async function applyKeptPatch(project: QueueProject, text: string, asked: Asked): Promise<Resolution> {
  const { repository } = project;
  const kept = await findKept(project, text);
  const owner = createOwnerLookup(project)(kept.kind, kept.id);
  if (owner.change === undefined) {
    throw new CanopyError("conflict", `no change came of ${kept.ref}, so there is none to give it to`, {
      hint: "export it with: canopy queue patches --export DIR",
    });
  }
  const { change, tip } = await readChangeContext(project, owner.change.changeId);
  const isOnBranch = await isAncestor(repository, kept.parent, tip);
  let { commit, parent: baseCommit } = kept;
  if (!isOnBranch) {
    const tree = await moveOnTip(project, kept, tip);
    const asker = asked.actor.id;
    commit = await writeNewTree(project, { change, tip, tree, like: kept.commit, asker });
    baseCommit = tip;
  }
  const detail = `took ${kept.ref} again`;
  return await submitNewWork(project, { change, commit, baseCommit, detail, paths: [] }, asked);
}

/** How long kept work stays. */
export interface KeepRules {
  readonly attemptsMs: number;
  readonly failedMs: number;
}

/** What to expire, and when it is. */
export interface ExpireOptions {
  readonly keep: KeepRules;
  readonly nowMs: number;
  readonly isDryRun: boolean;
}

/** Removes refs of old kept work. What belongs to a change that is not over, or to an attempt at work, stays. */
export async function expireKeptPatches(
  project: QueueProject,
  { keep, nowMs, isDryRun }: ExpireOptions,
): Promise<readonly ExpiredRef[]> {
  const ownerOf = createOwnerLookup(project);
  const isOver = ({ change, attempt }: Owner): boolean =>
    (change === undefined || change.state === "landed" || change.state === "abandoned") &&
    attempt?.state !== "queued" &&
    attempt?.state !== "running";
  return await expireRefs(project.repository, {
    nowMs,
    dryRun: isDryRun,
    rules: [
      { prefix: ATTEMPT_REF_PREFIX, maxAgeMs: keep.attemptsMs },
      { prefix: COMMITS_REF_PREFIX, maxAgeMs: keep.attemptsMs },
      { prefix: FAILED_REF_PREFIX, maxAgeMs: keep.failedMs },
      { prefix: RESOLVED_REF_PREFIX, maxAgeMs: keep.failedMs },
    ],
    isProtected: (ref) => {
      // An agent's own commits live as long as the attempt that they are of.
      if (ref.startsWith(COMMITS_REF_PREFIX))
        return !isOver(ownerOf("attempt", ref.slice(COMMITS_REF_PREFIX.length)));
      const { kind, id } = parseKeptRef(ref);
      return !isOver(ownerOf(kind, id));
    },
  });
}
