import type { AttemptJob, LadderJob } from "@canopy/protocol";
import { CanopyError } from "@canopy/protocol";
import type { Conflict, MergeEngine, Repository } from "@canopy/git";
import { readConflict, writeConflictCommit } from "@canopy/git";
import type { Workspace } from "@canopy/workspace";

/** What an agent of the ladder gets: where it starts, what its work is put on, what it is told, and files to read. */
export interface LadderPlan {
  /** The workspace's commit. */
  readonly start: string;
  /** The parent of the work: what the change must get past. */
  readonly parent: string;
  /** Paths that conflicted; none for a repair. */
  readonly paths: readonly string[];
  readonly prompt: string;
  /** Files for the agent, by path below the workspace. They are not captured. */
  readonly files: ReadonlyMap<string, string>;
}

/** What planLadder needs. */
export interface LadderContext {
  readonly repository: Repository;
  readonly engine: MergeEngine;
}

const MAX_DIFF_CHARS = 8000;
const MAX_OUTPUT_CHARS = 12_000;
const MAX_FILE_CHARS = 1_000_000;
const MAX_PATHS = 200;

/** Keeps 60 % of the head and 40 % of the tail. */
function shorten(text: string, maxChars: number): string {
  if (text.length <= maxChars) return text;
  const headChars = Math.floor(maxChars * 0.6);
  const tailChars = maxChars - headChars;
  return `${text.slice(0, headChars)}\n[... ${text.length - maxChars} characters left out ...]\n${text.slice(-tailChars)}`;
}

async function diff(
  repository: Repository,
  range: readonly [string, string],
  paths: readonly string[],
): Promise<string> {
  const output = await repository.git([
    "diff",
    "--no-color",
    "--no-ext-diff",
    "--no-textconv",
    "-M",
    ...range,
    "--",
    ...paths.slice(0, MAX_PATHS).map((path) => `:(literal)${path}`),
  ]);
  return output.stdout.toString("utf8");
}

/** What others did to some paths since a commit, in their own words: the landed commits' messages. */
async function readOthers(
  repository: Repository,
  range: readonly [string, string],
  paths: readonly string[],
): Promise<string> {
  const output = await repository.git([
    "log",
    "--no-color",
    "--max-count=20",
    "--format=## %s (%h)%n%b",
    `${range[0]}..${range[1]}`,
    "--",
    ...paths.slice(0, MAX_PATHS).map((path) => `:(literal)${path}`),
  ]);
  return output.stdout.toString("utf8").trim();
}

function describeKind({ kind, path, ours, theirs, renamedFrom }: Conflict): string {
  const from = renamedFrom === null ? "" : ` (renamed from ${renamedFrom})`;
  switch (kind) {
    case "modify/delete":
      return ours === null
        ? `${path}: others deleted it, this change edits it. Either it stays deleted and the edit goes where its content lives now, or it comes back with the edit.`
        : `${path}: this change deletes it, others edited it. Keep what they did: either keep the file with their edits, or move these to where they belong, and delete it.`;
    case "rename/delete":
      return `${path}${from}: one side renamed it, the other deleted it. Decide which was meant, and keep the content that is still needed.`;
    case "add/add":
      return `${path}: both sides added it. Merge both contents.`;
    default:
      return `${path}${from}: ${kind} conflict${theirs === null || ours === null ? "" : ", between the lines <<<<<<< and >>>>>>>"}`;
  }
}

const INTRODUCTION: Readonly<Record<LadderJob["rung"], string>> = {
  "hand-back":
    "Your finished work on the task below does not merge: others have landed changes to the same places meanwhile.",
  resolver: "A finished change does not merge: others have landed changes to the same places meanwhile.",
  repair: "A finished change merges, but the project's validation fails with it.",
};

function earlierOf(ladder: LadderJob): string[] {
  if (ladder.earlier.length === 0) return [];
  return [["## Tried before, and it did not help", ...ladder.earlier.map((text) => `- ${text}`)].join("\n")];
}

async function planConflict(context: LadderContext, job: AttemptJob, ladder: LadderJob): Promise<LadderPlan> {
  const { repository, engine } = context;
  const { tip, commit, baseCommit } = ladder;
  const merge = await engine.mergeCommit({ tip, change: commit });
  if (merge.state === "clean") throw new CanopyError("conflict", "the change does not conflict any more");
  const conflicts = await readConflict(repository, merge);
  const paths = conflicts.flatMap(({ path, renamedFrom, relatedPaths }) => [
    path,
    ...(renamedFrom === null ? [] : [renamedFrom]),
    ...relatedPaths,
  ]);
  const [ours, theirs, others] = await Promise.all([
    diff(repository, [baseCommit, tip], paths),
    diff(repository, [baseCommit, commit], paths),
    readOthers(repository, [baseCommit, tip], paths),
  ]);
  const files = new Map([
    ["ours.diff", ours],
    ["theirs.diff", theirs],
    ["task.md", job.prompt],
    ["others.md", others],
  ]);
  for (const conflict of conflicts.slice(0, MAX_PATHS)) {
    for (const side of ["base", "ours", "theirs"] as const) {
      const text = conflict[side]?.text;
      if (text != null) files.set(`${side}/${conflict.path}`, text);
    }
  }
  const start = await writeConflictCommit(repository, {
    tip,
    change: commit,
    merge,
    message: `Conflicted merge of: ${job.title}`,
  });
  const prompt = [
    `${INTRODUCTION[ladder.rung]}\nThis workspace holds the merge with its conflicts. Resolve every one of them so that what both sides meant is kept: what others landed must survive, and so must this change. Change nothing else. Leave no conflict markers. A check compares the lines that others added; taking one side whole is refused.`,
    `In .canopy/conflict: base/, ours/ (the branch) and theirs/ (this change) hold the versions of each file; ours.diff and theirs.diff what each side did; task.md this change's task; others.md what the others' tasks were.`,
    ["## Conflicts", ...conflicts.map((conflict) => `- ${describeKind(conflict)}`)].join("\n"),
    `## What the others did\n${shorten(others, 4000)}\n\n\`\`\`diff\n${shorten(ours, MAX_DIFF_CHARS)}\n\`\`\``,
    `## What this change does\n\`\`\`diff\n${shorten(theirs, MAX_DIFF_CHARS)}\n\`\`\``,
    ...earlierOf(ladder),
    `## The task of this change, for your understanding\n\n${job.prompt}`,
  ].join("\n\n");
  return {
    start,
    parent: tip,
    paths: conflicts.map(({ path }) => path),
    prompt,
    files: below(".canopy/conflict", files),
  };
}

function below(folder: string, files: ReadonlyMap<string, string>): Map<string, string> {
  return new Map([...files].map(([path, text]) => [`${folder}/${path}`, text]));
}

async function planRepair(context: LadderContext, job: AttemptJob, ladder: LadderJob): Promise<LadderPlan> {
  const { repository } = context;
  const candidate = ladder.tip;
  const [parent] = (await repository.readCommit(candidate)).parents;
  if (parent === undefined) throw new CanopyError("git.failed", `candidate ${candidate} stands on nothing`);
  const merged = await diff(repository, [parent, candidate], []);
  const files = new Map([
    ["merged.diff", merged],
    ["validation-output.txt", ladder.validationOutput],
    ["task-context.txt", job.prompt],
    ...ladder.earlier.map((text, index): [string, string] => [
      `previous-attempts/attempt-${index + 1}.txt`,
      text,
    ]),
  ]);
  const prompt = [
    `${INTRODUCTION.repair}\nThis workspace holds the branch with the change. Mend it so that the validation passes and the change still does what its task asks; do not take the change back, and do not weaken the validation.`,
    `In .canopy/repair: merged.diff is the change, validation-output.txt what the validation printed, task-context.txt its task.`,
    `## What the validation printed\n\`\`\`\n${shorten(ladder.validationOutput, MAX_OUTPUT_CHARS)}\n\`\`\``,
    `## The change\n\`\`\`diff\n${shorten(merged, MAX_DIFF_CHARS)}\n\`\`\``,
    ...earlierOf(ladder),
    `## The task of this change, for your understanding\n\n${job.prompt}`,
  ].join("\n\n");
  return { start: candidate, parent, paths: [], prompt, files: below(".canopy/repair", files) };
}

/** Works out what an agent of the ladder starts from. Throws `conflict` when nothing stands in the way any more. */
export async function planLadder(
  context: LadderContext,
  job: AttemptJob,
  ladder: LadderJob,
): Promise<LadderPlan> {
  return ladder.rung === "repair"
    ? await planRepair(context, job, ladder)
    : await planConflict(context, job, ladder);
}

/** Puts a plan's files into a workspace. */
export async function layOutFiles(workspace: Workspace, files: LadderPlan["files"]): Promise<void> {
  for (const [path, text] of files) {
    await workspace.writeFile(path, text.slice(0, MAX_FILE_CHARS));
  }
}
