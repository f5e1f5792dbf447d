import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { DeliverReport } from "@canopy/protocol";

const execute = promisify(execFile);

/**
 * Files by which a repository tells programs of the person's what to run, or what they may: an agent that changes one changes what
 * happens outside of its sandbox once a person works with it.
 */
const RULES = [
  ".canopy",
  ".claude",
  ".codex",
  ".cursor",
  ".gemini",
  ".opencode",
  ".vscode",
  ".idea",
  ".devcontainer",
  ".husky",
  ".githooks",
  ".envrc",
  ".mcp.json",
  ".pre-commit-config.yaml",
  "lefthook.yml",
];

/** Those of the delivered files that tell programs what to run or what they may; none when nothing is delivered. */
export async function listRuleChanges(
  report: Pick<DeliverReport, "fromCommit" | "toCommit">,
  cwd: string,
): Promise<string[]> {
  const { fromCommit, toCommit } = report;
  if (fromCommit === null || toCommit === null) return [];
  const range = ["--name-only", "-z", "--no-renames", "--no-ext-diff", fromCommit, toCommit];
  const globs = RULES.flatMap((name) => [`:(glob)**/${name}`, `:(glob)**/${name}/**`]);
  const { stdout } = await execute("git", ["diff", ...range, "--", ...globs], { cwd, maxBuffer: 1 << 26 });
  return stdout.split("\0").filter((path) => path !== "");
}
