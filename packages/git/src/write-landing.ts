import { readCommitDetails } from "./read-commit-details.ts";
import { rebaseCommits } from "./rebase-commits.ts";
import type { Repository } from "./repository.ts";
import type { StackedChange, Strategy } from "./stack-result.ts";
import { writeCommit } from "./write-commit.ts";
import type { Trailer } from "./write-commit.ts";

/** A merged change to write as commits. */
export interface LandingInput {
  readonly tip: string;
  readonly tree: string;
  readonly stacked: StackedChange;
  readonly signal?: AbortSignal | undefined;
}

/** The commits written, oldest first, and how. `note` says why it is not the strategy that was asked for. */
export interface WrittenLanding {
  readonly commits: readonly [string, ...string[]];
  readonly strategyUsed: Strategy;
  readonly note: string | null;
}

const TRAILER = /^([A-Za-z0-9-]+): (.+)$/;

/** Takes the trailers off the end of a message: its last paragraph, when every line of it is one. */
function splitTrailers(message: string): { readonly body: string; readonly trailers: readonly Trailer[] } {
  const text = message.trimEnd();
  const at = text.lastIndexOf("\n\n");
  const lines = at < 0 ? [] : text.slice(at + 2).split("\n");
  const trailers: Trailer[] = [];
  for (const line of lines) {
    const [, key, value] = TRAILER.exec(line) ?? [];
    if (key === undefined || value === undefined) return { body: text, trailers: [] };
    trailers.push({ key, value });
  }
  return { body: at < 0 ? text : text.slice(0, at), trailers };
}

async function writeOne(
  repository: Repository,
  { tip, tree, stacked }: LandingInput,
  parents: readonly string[],
): Promise<string> {
  const { author, committer, message, trailers } = stacked;
  return await writeCommit(repository, {
    author,
    committer,
    message,
    tree,
    parents: [tip, ...parents],
    ...(trailers === undefined ? {} : { trailers }),
  });
}

/** The agent's commits on the tip; the last one carries our trailers. A text when they cannot be kept. */
async function writeKept(
  repository: Repository,
  { tip, tree, stacked, signal }: LandingInput,
): Promise<readonly [string, ...string[]] | string> {
  const { change, commits = [] } = stacked;
  if (commits.length === 0) return "the agent made no commits of its own";
  const rebase = await rebaseCommits(repository, { tip, change, commits, tree, signal });
  if (rebase.state === "impossible") return rebase.note;
  const own = splitTrailers(stacked.message);
  const trailers = stacked.trailers ?? own.trailers;
  const written: string[] = [];
  for (const [index, step] of rebase.steps.entries()) {
    const source = step.source === null ? null : await readCommitDetails(repository, step.source);
    const isLast = index === rebase.steps.length - 1;
    const commit = await writeCommit(repository, {
      tree: step.tree,
      parents: [written.at(-1) ?? tip],
      author: source?.author ?? stacked.author,
      committer: stacked.committer,
      message: source?.message ?? (stacked.trailers === undefined ? own.body : stacked.message),
      ...(isLast ? { trailers } : {}),
    });
    written.push(commit);
  }
  const [first, ...rest] = written;
  return first === undefined ? "there was nothing to keep" : [first, ...rest];
}

/** Writes a merged change onto a tip by its strategy; `keep` falls back to `squash` where the commits cannot be kept. */
export async function writeLanding(repository: Repository, input: LandingInput): Promise<WrittenLanding> {
  const strategy = input.stacked.strategy ?? "squash";
  if (strategy === "merge") {
    const commit = await writeOne(repository, input, [input.stacked.change]);
    return { commits: [commit], strategyUsed: "merge", note: null };
  }
  const kept = strategy === "keep" ? await writeKept(repository, input) : null;
  if (kept !== null && typeof kept !== "string") return { commits: kept, strategyUsed: "keep", note: null };
  return { commits: [await writeOne(repository, input, [])], strategyUsed: "squash", note: kept };
}
