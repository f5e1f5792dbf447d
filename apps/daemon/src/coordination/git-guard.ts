import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Target } from "@canopy/protocol";
import { brandId } from "@canopy/protocol";
import {
  composeRefusal,
  describeBlocker,
  findBlockers,
  selectByNativeId,
  selectLiveSessions,
  selectPresent,
} from "@canopy/core";
import type { GitHookCall } from "@canopy/hooks";
import { parseGitHookCall } from "@canopy/hooks";
import { HOOK_ACTOR } from "./coordinated-place.ts";
import type { CoordinatedPlace } from "./coordinated-place.ts";
import type { PlaceFinder } from "./place-finder.ts";
import { findAgentProcess } from "./find-agent-process.ts";
import { readBranch } from "./find-worktree.ts";
import type { HookAnswer, HookRequest } from "./hook-service.ts";
import { enforcementOf } from "./plan-edits.ts";

const execute = promisify(execFile);
const GO_ON: HookAnswer = { body: "", exitCode: 0 };
const GIT_TIMEOUT_MS = 4000;

async function git(call: GitHookCall, args: readonly string[]): Promise<string> {
  const { stdout } = await execute("git", [...args], {
    cwd: call.cwd,
    timeout: GIT_TIMEOUT_MS,
    maxBuffer: 64 * 1024 * 1024,
    env: {
      PATH: process.env["PATH"] ?? "",
      HOME: process.env["HOME"] ?? "/",
      ...call.env,
      GIT_OPTIONAL_LOCKS: "0",
    },
  });
  return stdout;
}

/** The session that runs git: by the agent's own id in the environment, or by the agent's process above it. */
async function findCommitter(
  call: GitHookCall,
  place: CoordinatedPlace,
  pid: number | null,
): Promise<string | null> {
  const { env } = call;
  const own = env["CANOPY_SESSION"] ?? env["CANOPY_SESSION_ID"];
  if (own !== undefined && place.read((sql) => selectPresent(sql, own)) !== undefined) return own;
  const natives = [
    ["claude", env["CLAUDE_CODE_SESSION_ID"]],
    ["codex", env["CODEX_THREAD_ID"]],
    ["gemini", env["GEMINI_SESSION_ID"]],
  ] as const;
  for (const [agent, nativeId] of natives) {
    if (nativeId === undefined) continue;
    const session = place.read((sql) => selectByNativeId(sql, agent, nativeId));
    if (session !== undefined) return session.sessionId;
  }
  if (pid === null) return null;
  const process = await findAgentProcess(pid);
  if (process === null) return null;
  const found = place
    .read((sql) => selectLiveSessions(sql))
    .find(
      ({ presence }) =>
        presence.process?.pid === process.pid && presence.process.startedAt === process.startedAt,
    );
  return found?.sessionId ?? null;
}

function toTargets(names: readonly string[]): Target[] {
  return names.map((key) => ({ kind: "path", key: key.normalize("NFC"), label: key }));
}

interface GitAct {
  readonly committer: string | null;
  readonly verb: string;
  readonly isBypassed: boolean;
}

/** A transaction that is about to put a stash away: the work tree is swept right after it. */
function isStashing({ args, updates }: GitHookCall): boolean {
  return (
    args[0] === "prepared" && updates.some(({ ref, newId }) => ref === "refs/stash" && !/^0+$/.test(newId))
  );
}

function guardFiles(place: CoordinatedPlace, names: readonly string[], act: GitAct): HookAnswer {
  const targets = toTargets(names).filter((target) => enforcementOf(place.config, target.key) !== "off");
  return guard(place, targets, act);
}

function guardTree(place: CoordinatedPlace, act: GitAct): HookAnswer {
  return guard(place, [{ kind: "directory", key: "", label: "the work tree" }], act);
}

function guard(place: CoordinatedPlace, targets: Target[], act: GitAct): HookAnswer {
  const { committer, verb } = act;
  const blockers = place.read((sql) =>
    findBlockers(
      sql,
      { sessionId: committer ?? "", targets, mode: "exclusive", worktree: place.worktree.root },
      [],
      Date.now(),
    ),
  );
  if (blockers.length === 0 || place.config.git_guard === "off") return GO_ON;
  const text = composeRefusal(blockers, describeBlocker);
  if (act.isBypassed) {
    const what = `git ${verb} of ${blockers
      .map((blocker) => blocker.target.label)
      .slice(0, 3)
      .join(", ")}`;
    place.submit({
      type: "edit.report-bypass",
      sessionId: committer === null ? null : brandId("session", committer),
      what: what.slice(0, 500),
      reason: "CANOPY_BYPASS",
    });
    return { body: `canopy: bypassed. ${text}\n`, exitCode: 0 };
  }
  // A person at a terminal is told, and decides.
  if (committer === null || place.config.git_guard === "warn")
    return { body: `canopy: take care. ${text}\n`, exitCode: 0 };
  return {
    body:
      `canopy: this ${verb} is refused: ${text}. ` +
      "Take these files out of it (git restore --staged FILE), wait for their holder, or set CANOPY_BYPASS=1 (it is recorded).\n",
    exitCode: 1,
  };
}

/** HEAD or a branch moved under the sessions of a work tree: they are told. */
function noteBranch(place: CoordinatedPlace): void {
  const branch = readBranch(place.worktree);
  for (const session of place.read((sql) => selectLiveSessions(sql))) {
    if (session.presence.worktree !== place.worktree.root || session.presence.branch === branch) continue;
    place.submit({ type: "presence.update", sessionId: session.sessionId, branch });
  }
}

/** What git's hooks ask: the net below agents that have no hooks of their own. */
export async function answerGitHook(places: PlaceFinder, request: HookRequest): Promise<HookAnswer> {
  const call = parseGitHookCall(request.body);
  if (call === null) return GO_ON;
  const place = await places.find(call.cwd, HOOK_ACTOR);
  if (!place.config.enabled) return GO_ON;
  const isTransaction = call.hook === "reference-transaction";
  if (isTransaction && call.args[0] === "committed") noteBranch(place);
  if (isTransaction && !isStashing(call)) return GO_ON;
  const committer = await findCommitter(call, place, request.pid);
  const { isBypassed } = request;
  if (isTransaction) return guardTree(place, { committer, verb: "stash", isBypassed });
  if (call.hook === "pre-commit") {
    const names = await git(call, ["diff", "--cached", "--name-only", "--no-renames", "-z"]);
    return guardFiles(place, splitNames(names), { committer, verb: "commit", isBypassed });
  }
  if (call.hook !== "pre-push") return GO_ON;
  const lists = await Promise.all(
    call.updates.slice(0, 20).map(async ({ oldId, newId }) => {
      if (/^0+$/.test(newId)) return "";
      const range = /^0+$/.test(oldId) ? [newId, "--not", "--remotes"] : [`${oldId}..${newId}`];
      return await git(call, ["log", "--name-only", "--format=", "-z", ...range]).catch(() => "");
    }),
  );
  const names = new Set(lists.flatMap((list) => splitNames(list)));
  return guardFiles(place, [...names].slice(0, 5000), { committer, verb: "push", isBypassed });
}

function splitNames(text: string): string[] {
  return text.split(/[\0\n]/).filter((name) => name !== "");
}
