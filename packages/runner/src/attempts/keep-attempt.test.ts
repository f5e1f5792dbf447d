import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brandId } from "@canopy/protocol";
import { captureTree, openRepository, readAgentCommits, readRef, readRepositoryIdentity } from "@canopy/git";
import { expect, test } from "vitest";
import { keepAttempt } from "./keep-attempt.ts";

function runIn(cwd: string, ...args: string[]): string {
  const identity = ["-c", "user.name=T", "-c", "user.email=t@example.test"];
  return execFileSync("git", [...identity, ...args], { cwd, encoding: "utf8" }).trim();
}

test("the agent's own commits are kept beside the attempt, and read oldest first", async () => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "canopy-keep-")));
  try {
    const [own, workspace] = [join(folder, "own"), join(folder, "workspace")];
    runIn(folder, "init", "-q", "-b", "main", own);
    writeFileSync(join(own, "a"), "a\n");
    runIn(own, "add", ".");
    runIn(own, "commit", "-qm", "base");
    cpSync(own, workspace, { recursive: true });
    for (const name of ["one", "two"]) {
      writeFileSync(join(workspace, name), name);
      runIn(workspace, "add", ".");
      runIn(workspace, "commit", "-qm", name);
    }
    const made = runIn(workspace, "log", "--reverse", "--format=%H", "main~2..main").split("\n");
    const identity = await readRepositoryIdentity(own);
    await using repository = openRepository(identity);
    const capture = await captureTree(repository, {
      baseCommit: identity.headCommit,
      workTree: workspace,
      agentGitDirectory: join(workspace, ".git"),
    });
    const kept = await keepAttempt({
      repository,
      label: {
        attemptId: brandId("attempt", "att_1"),
        taskId: brandId("task", "tsk_1"),
        sessionId: brandId("session", "ses_1"),
        title: "Do it",
        agent: "command",
        model: null,
        askedBy: "ada",
      },
      baseCommit: identity.headCommit,
      capture,
      person: null,
      policy: { author: "agent", co_author: false },
      nowMs: 1_700_000_000_000,
    });
    expect(kept?.commit).toBe(await readRef(repository, "refs/canopy/attempts/att_1"));
    expect(await readRef(repository, "refs/canopy/commits/att_1")).toBe(made.at(-1));
    expect(await readAgentCommits(repository, "att_1", identity.headCommit)).toEqual(made);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
