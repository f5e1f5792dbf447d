import { HOOK_AGENTS, applyEdits, checkSetup, planClientSetup, planSetup } from "@canopy/hooks";
import type { HookAgent, SetupScope } from "@canopy/hooks";
import type { Finding } from "@canopy/daemon/doctor";
import { daemonPaths } from "../connection/ensure-daemon.ts";
import { createSetupRequest, findProjectRoot } from "../setup/setup-context.ts";

/** Looks whether the program that agents' hooks start is there and of this version. */
export function checkHookClient(): Finding {
  const { stateDir, hookClientDir } = daemonPaths();
  const edits = planClientSetup(stateDir);
  if (edits.length === 0) return { name: "hook-client", state: "ok", detail: hookClientDir };
  return {
    name: "hook-client",
    state: "failed",
    detail: `missing or of another version: ${edits.map((edit) => edit.path).join(", ")}`,
    hint: "canopy doctor --fix writes it anew",
    mend: () => {
      applyEdits(edits, stateDir);
    },
  };
}

function checkAgent(agent: HookAgent, scope: SetupScope): Finding[] {
  const { stateDir } = daemonPaths();
  const options = { scope, mode: "check", isDryRun: false } as const;
  // The client that they share is looked at by itself.
  const files = checkSetup(createSetupRequest(agent, options)).filter(
    (file) => !file.path.startsWith(`${stateDir}/`),
  );
  const isSetUp = files.some((file) => file.state === "current" || file.state === "outdated");
  const wrong = files.filter((file) => file.state !== "current");
  const broken = wrong.filter((file) => file.state === "unreadable");
  // Never set up is no fault; a file that cannot be read is one where Canopy may be in it.
  if (!isSetUp && broken.length === 0) return [];
  const name = `setup-${agent}${scope === "project" ? "-project" : ""}`;
  if (wrong.length === 0) return [{ name, state: "ok", detail: files.map((file) => file.path).join(", ") }];
  const detail = wrong.map(
    (file) => `${file.path} is ${file.state}${file.problem === "" ? "" : `: ${file.problem}`}`,
  );
  if (broken.length > 0)
    return [
      {
        name,
        state: isSetUp ? "failed" : "warning",
        detail: detail.join(", "),
        hint: "mend the file by hand",
      },
    ];
  const finding: Finding = {
    name,
    state: "failed",
    detail: detail.join(", "),
    hint: `canopy doctor --fix, or: canopy setup ${agent}${scope === "project" ? " --project" : ""}`,
    mend: () => {
      const request = createSetupRequest(agent, { ...options, mode: "install" });
      applyEdits(planSetup(request), stateDir);
    },
  };
  return [finding];
}

/** Looks whether the hooks of agents that were set up, for oneself and in this project, are still as they should be. */
export function checkSetups(): Finding[] {
  const scopes: SetupScope[] = findProjectRoot() === null ? ["user"] : ["user", "project"];
  return scopes.flatMap((scope) => HOOK_AGENTS.flatMap((agent) => checkAgent(agent, scope)));
}
