import { spawn } from "node:child_process";
import { once } from "node:events";
import { CanopyError, isCanopyError } from "@canopy/protocol/errors";
import { sanitizeText } from "../output/format.ts";
import type { ReviewText } from "./review-body.ts";

/** What is pushed, from where, and what the pull request says. */
export interface PushRequest {
  readonly cwd: string;
  readonly environment: NodeJS.ProcessEnv;
  /** The branch that it is to go into, and the one that holds the work. */
  readonly branch: string;
  readonly integrationBranch: string;
  readonly text: ReviewText;
}

/** What came of it. `problem` says why there is a push but no pull request. */
export interface PushResult {
  readonly state: "opened" | "updated" | "pushed";
  readonly remote: string;
  readonly url: string | null;
  readonly problem: string | null;
}

interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

interface Program {
  readonly name: "git" | "gh";
  readonly cwd: string;
  readonly environment: NodeJS.ProcessEnv;
}

/** Runs a program of the person's with the person's environment: the credentials are theirs. Null: it is not there. */
async function runProgram(program: Program, args: readonly string[], input = ""): Promise<Finished | null> {
  const { name, cwd, environment } = program;
  const child = spawn(name, [...args], { cwd, env: environment, stdio: ["pipe", "pipe", "pipe"] });
  const output = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk: Buffer) => (output.stdout += chunk.toString("utf8")));
  child.stderr.on("data", (chunk: Buffer) => (output.stderr += chunk.toString("utf8")));
  // A program that ends without reading its input is judged by its exit code.
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  try {
    const [code] = await once(child, "close");
    return { code: typeof code === "number" ? code : 1, ...output };
  } catch (error) {
    if (error instanceof Error && Reflect.get(error, "code") === "ENOENT") return null;
    throw error;
  }
}

async function runGit(request: PushRequest, args: readonly string[]): Promise<Finished> {
  const done = await runProgram({ name: "git", cwd: request.cwd, environment: request.environment }, args);
  if (done === null) throw new CanopyError("git.missing", "git is not on PATH");
  return done;
}

/** The remote that the branch follows, else `origin`, else the only one. Throws `usage.invalid`. */
async function chooseRemote(request: PushRequest): Promise<string> {
  const remotes = (await runGit(request, ["remote"])).stdout.split("\n").filter(Boolean);
  const followed = (await runGit(request, ["config", `branch.${request.branch}.remote`])).stdout.trim();
  const remote = [followed, "origin"].find((name) => remotes.includes(name)) ?? remotes[0];
  if (remote !== undefined && (remotes.length === 1 || remotes.includes(followed) || remote === "origin"))
    return remote;
  throw new CanopyError(
    "usage.invalid",
    remote === undefined ? "the repository has no remote to push to" : "there are several remotes",
    { hint: `say which: git config branch.${request.branch}.remote NAME` },
  );
}

async function push(request: PushRequest, remote: string): Promise<void> {
  const ref = `refs/heads/${request.integrationBranch}`;
  const { code, stderr } = await runGit(request, ["push", "--porcelain", remote, `${ref}:${ref}`]);
  if (code === 0) return;
  throw new CanopyError("deliver.blocked", `could not push to ${remote}: ${sanitizeText(stderr).trim()}`, {
    hint: "nothing was forced; see what is on the remote's branch, then try again",
  });
}

async function runGh(request: PushRequest, args: readonly string[], input = ""): Promise<string | null> {
  const environment = { ...request.environment, GH_PROMPT_DISABLED: "1", NO_COLOR: "1" };
  const done = await runProgram({ name: "gh", cwd: request.cwd, environment }, args, input);
  if (done === null) return null;
  if (done.code === 0) return done.stdout.trim();
  throw new CanopyError("work.failed", `gh: ${sanitizeText(done.stderr).trim() || `exit code ${done.code}`}`);
}

/** Opens a pull request with `gh`, or gives the open one its new text. Null: there is no `gh`. */
async function openPullRequest(request: PushRequest): Promise<Pick<PushResult, "state" | "url"> | null> {
  const { branch, integrationBranch, text } = request;
  const ends = ["--head", integrationBranch, "--base", branch];
  const listed = await runGh(request, [
    "pr",
    "list",
    ...ends,
    "--state",
    "open",
    "--json",
    "url",
    "--jq",
    ".[0].url",
  ]);
  if (listed === null) return null;
  if (listed !== "") {
    await runGh(request, ["pr", "edit", listed, "--body-file", "-"], text.body);
    return { state: "updated", url: listed };
  }
  const created = await runGh(
    request,
    ["pr", "create", ...ends, "--title", text.title, "--body-file", "-"],
    text.body,
  );
  return { state: "opened", url: created?.split("\n").findLast((line) => line.startsWith("http")) ?? null };
}

/**
 * Pushes the integration branch with the person's own git, never by force, and opens a pull request when `gh` is there.
 * A failing `gh` is a `problem`, for the push has happened. Throws `usage.invalid`, `deliver.blocked`.
 */
export async function pushForReview(request: PushRequest): Promise<PushResult> {
  const remote = await chooseRemote(request);
  await push(request, remote);
  try {
    const opened = await openPullRequest(request);
    return { remote, problem: null, ...(opened ?? { state: "pushed", url: null }) };
  } catch (error) {
    if (!isCanopyError(error)) throw error;
    return { state: "pushed", remote, url: null, problem: error.message };
  }
}

/** The commits that the work's branch has and the person's has not, oldest first, merges left out. */
export async function listReviewCommits(
  request: Pick<PushRequest, "cwd" | "environment">,
  branch: string,
  integrationBranch: string,
): Promise<string[]> {
  const range = `refs/heads/${branch}..refs/heads/${integrationBranch}`;
  const args = ["rev-list", "--reverse", "--no-merges", "--end-of-options", range];
  const done = await runProgram({ name: "git", ...request }, args);
  if (done === null || done.code !== 0)
    throw new CanopyError("git.failed", sanitizeText(done?.stderr ?? "git is not on PATH").trim());
  return done.stdout.split("\n").filter(Boolean);
}
