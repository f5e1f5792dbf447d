import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, lstatSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { CanopyError } from "@canopy/protocol";
import { clientPath } from "./client-command.ts";
import { CHAINED_SUFFIX, GIT_HOOKS, createGitHookScript, isOwnGitHook } from "./git-hook-script.ts";

/** One thing that changes in the folder of a repository's hooks. */
export type GitHookStep =
  | { readonly type: "move"; readonly from: string; readonly to: string }
  | { readonly type: "write"; readonly path: string; readonly text: string }
  | { readonly type: "remove"; readonly path: string };

/** Where git looks for a repository's hooks: `core.hooksPath`, or the common folder of all its worktrees. Throws `repository.not-found`. */
export function findHooksFolder(cwd: string): string {
  // Without the options that keep hooks from running, for they would hide the setting that is asked for. Nothing runs here.
  const result = spawnSync("git", ["rev-parse", "--path-format=absolute", "--git-path", "hooks"], {
    cwd,
    encoding: "utf8",
  });
  const folder = result.stdout?.trim() ?? "";
  if (result.status === 0 && folder !== "") return folder;
  throw new CanopyError("repository.not-found", `${cwd} is in no git repository`, {
    hint: "run it inside of a repository",
  });
}

/** What a hook's place holds: nothing, one of ours, or someone else's, which may be a link. */
function lookAt(path: string): "nothing" | "ours" | "theirs" {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return "nothing";
  if (!stats.isFile()) return "theirs";
  return isOwnGitHook(readFileSync(path, "utf8")) ? "ours" : "theirs";
}

/** What asking Canopy in a repository's hooks would change; empty when they do already. Throws `conflict` when a hook cannot be kept. */
export function planGitSetup(hooksFolder: string, stateDir: string): GitHookStep[] {
  return GIT_HOOKS.flatMap((name): GitHookStep[] => {
    const path = join(hooksFolder, name);
    const chained = path + CHAINED_SUFFIX;
    const text = createGitHookScript(name, clientPath(stateDir));
    const state = lookAt(path);
    if (state === "ours" && readFileSync(path, "utf8") === text) return [];
    if (state !== "theirs") return [{ type: "write", path, text }];
    if (lookAt(chained) !== "nothing")
      throw new CanopyError("conflict", `${path} is not of our making, and ${chained} is there already`, {
        hint: "see which of the two is still wanted, and remove the other; nothing was changed",
      });
    return [
      { type: "move", from: path, to: chained },
      { type: "write", path, text },
    ];
  });
}

/** What taking it out again would change. Where another program has put its own hook in our place, that stays, and so does the old one. */
export function planGitUninstall(hooksFolder: string): GitHookStep[] {
  return GIT_HOOKS.flatMap((name): GitHookStep[] => {
    const path = join(hooksFolder, name);
    const chained = path + CHAINED_SUFFIX;
    const state = lookAt(path);
    if (state === "theirs") return [];
    if (lookAt(chained) !== "nothing") return [{ type: "move", from: chained, to: path }];
    return state === "ours" ? [{ type: "remove", path }] : [];
  });
}

/** Carries such a plan out. A hook is there in full or not at all. */
export function applyGitSteps(steps: readonly GitHookStep[]): void {
  for (const step of steps) {
    if (step.type === "move") renameSync(step.from, step.to);
    else if (step.type === "remove") rmSync(step.path, { force: true });
    else {
      mkdirSync(dirname(step.path), { recursive: true });
      const temporary = `${step.path}.${process.pid}.${randomBytes(4).toString("hex")}`;
      writeFileSync(temporary, step.text, { flag: "wx" });
      chmodSync(temporary, 0o755);
      renameSync(temporary, step.path);
    }
  }
}

/** The steps for a person, a line each. */
export function describeGitSteps(steps: readonly GitHookStep[]): string {
  return steps
    .map((step) => {
      if (step.type === "move") return `rename ${step.from} to ${step.to}\n`;
      return step.type === "write" ? `write ${step.path}\n` : `remove ${step.path}\n`;
    })
    .join("");
}
