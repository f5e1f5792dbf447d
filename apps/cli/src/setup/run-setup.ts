import {
  HOOK_AGENTS,
  applyEdits,
  applyGitSteps,
  checkSetup,
  describeGitSteps,
  diffEdits,
  findHooksFolder,
  planClientRemoval,
  planClientSetup,
  planGitSetup,
  planGitUninstall,
  planSetup,
  planUninstall,
  readHookToken,
} from "@canopy/hooks";
import type { FileEdit, GitHookStep, HookAgent } from "@canopy/hooks";
import { isCanopyError } from "@canopy/protocol/errors";
import { daemonPaths } from "../connection/ensure-daemon.ts";
import { FUTURE_TOKEN, createSetupRequest, findProjectRoot, isAgentPresent } from "./setup-context.ts";
import type { SetupOptions } from "./setup-context.ts";

/** What can be set up. */
export type SetupTarget = HookAgent | "git" | "all";

/** One file, and what became of it, would become of it, or is the matter with it. */
export interface SetupChange {
  readonly agent: HookAgent | "git" | "canopy";
  readonly path: string;
  readonly change: "created" | "changed" | "removed" | "current" | "missing" | "outdated" | "unreadable";
  /** What is the matter; empty when nothing is. */
  readonly problem: string;
}

/** What a set-up did. */
export interface SetupReport {
  readonly changes: readonly SetupChange[];
  readonly notes: readonly string[];
  /** For a dry run: what would change, as text. */
  readonly diff: string;
}

const NOTES: Readonly<Partial<Record<HookAgent, string>>> = {
  claude: "Claude Code: sessions that run already take the hooks up when they are started anew",
  codex: "Codex runs new hooks only after you have looked at them: open /hooks in codex and trust them",
};

function toChange(agent: SetupChange["agent"], edit: FileEdit): SetupChange {
  const change = edit.after === null ? "removed" : edit.before === null ? "created" : "changed";
  return { agent, path: edit.path, change, problem: "" };
}

function toGitChanges(steps: readonly GitHookStep[]): SetupChange[] {
  return steps.map((step) => {
    if (step.type === "move") return { agent: "git", path: step.to, change: "created", problem: "" };
    return {
      agent: "git",
      path: step.path,
      change: step.type === "write" ? "created" : "removed",
      problem: "",
    };
  });
}

function runEdits(
  agent: SetupChange["agent"],
  edits: readonly FileEdit[],
  options: SetupOptions,
): SetupReport {
  const { stateDir } = daemonPaths();
  if (!options.isDryRun) applyEdits(edits, stateDir);
  return {
    changes: edits.map((edit) => toChange(agent, edit)),
    notes: [],
    diff: options.isDryRun ? describeEdits(edits, stateDir) : "",
  };
}

/** A diff of what is a person's; Canopy's own files are only named. */
function describeEdits(edits: readonly FileEdit[], stateDir: string): string {
  const own = edits.filter((edit) => edit.path.startsWith(`${stateDir}/`));
  const theirs = edits.filter((edit) => !own.includes(edit));
  const lines = own.map((edit) => `${edit.after === null ? "remove" : "write"} ${edit.path}\n`);
  return lines.join("") + diffEdits(theirs, [readHookToken(stateDir) ?? "", FUTURE_TOKEN]);
}

function setUpAgent(agent: HookAgent, options: SetupOptions): SetupReport {
  const request = createSetupRequest(agent, options);
  if (options.mode === "check") {
    const changes = checkSetup(request).map(({ path, state, problem }) => ({
      agent,
      path,
      change: state,
      problem,
    }));
    return { changes, notes: [], diff: "" };
  }
  const edits = options.mode === "install" ? planSetup(request) : planUninstall(request);
  const report = runEdits(agent, edits, options);
  const note = NOTES[agent];
  const isNew = options.mode === "install" && edits.length > 0;
  return isNew && note !== undefined ? { ...report, notes: [note] } : report;
}

function setUpGit(options: SetupOptions): SetupReport {
  const { stateDir } = daemonPaths();
  const folder = findHooksFolder(process.cwd());
  if (options.mode === "uninstall") return runGitSteps(planGitUninstall(folder), folder, options);
  const steps = planGitSetup(folder, stateDir);
  if (options.mode === "check") {
    const change = steps.length === 0 ? "current" : "missing";
    return { changes: [{ agent: "git", path: folder, change, problem: "" }], notes: [], diff: "" };
  }
  const client = runEdits("git", planClientSetup(stateDir), options);
  return merge([client, runGitSteps(steps, folder, options)]);
}

function runGitSteps(steps: readonly GitHookStep[], folder: string, options: SetupOptions): SetupReport {
  if (!options.isDryRun) applyGitSteps(steps);
  const root = findProjectRoot();
  const isInTree = root !== null && folder.startsWith(`${root}/`) && !folder.startsWith(`${root}/.git/`);
  const notes =
    isInTree && steps.length > 0 && options.mode === "install"
      ? [`git: core.hooksPath leads into your work tree, so the hooks in ${folder} may show up as changes`]
      : [];
  return { changes: toGitChanges(steps), notes, diff: options.isDryRun ? describeGitSteps(steps) : "" };
}

/** Everything that is there: agents that are installed, and the hooks of this repository, if it is one. */
function setUpAll(options: SetupOptions): SetupReport {
  const isInstall = options.mode !== "uninstall";
  const agents = HOOK_AGENTS.filter((agent) => !isInstall || isAgentPresent(agent));
  const left = HOOK_AGENTS.filter((agent) => !agents.includes(agent));
  const hasRepository = findProjectRoot() !== null;
  const reports = agents.map((agent) => tryOne(agent, () => setUpAgent(agent, options)));
  if (hasRepository) reports.push(tryOne("git", () => setUpGit(options)));
  const notes = left.length === 0 ? [] : [`not found, so left out: ${left.join(", ")}`];
  if (!hasRepository) notes.push("git: not inside of a repository, so no git hooks");
  if (!isInstall && options.scope === "user") reports.push(removeClient(options));
  return merge([...reports, { changes: [], notes, diff: "" }]);
}

/** One file that cannot be read is told, and keeps nobody else from being set up. */
function tryOne(agent: SetupChange["agent"], run: () => SetupReport): SetupReport {
  try {
    return run();
  } catch (error) {
    if (!isCanopyError(error)) throw error;
    const change = { agent, path: agent, change: "unreadable", problem: error.message } as const;
    return { changes: [change], notes: [], diff: "" };
  }
}

function removeClient(options: SetupOptions): SetupReport {
  return runEdits("canopy", planClientRemoval(daemonPaths().stateDir), options);
}

function merge(reports: readonly SetupReport[]): SetupReport {
  const changes = new Map(
    reports.flatMap((report) => report.changes.map((change) => [change.path, change] as const)),
  );
  return {
    changes: [...changes.values()],
    notes: reports.flatMap((report) => report.notes),
    diff: [...new Set(reports.map((report) => report.diff))].join(""),
  };
}

/** Sets up, takes out or looks at what was named. Throws `config.invalid`, `conflict` and `repository.not-found`. */
export function runSetup(target: SetupTarget, options: SetupOptions): SetupReport {
  if (target === "all") return setUpAll(options);
  return target === "git" ? setUpGit(options) : setUpAgent(target, options);
}
