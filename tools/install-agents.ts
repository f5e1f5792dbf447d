// Installs the pinned agents that the real-agent tests run, from the npm registry into a cache outside the dependencies.
// Run by `npm test`. An agent that cannot be had is named, and its tests are skipped by name; nothing fails.
// `CANOPY_AGENTS=off` leaves it out, `CANOPY_AGENTS=claude,codex` takes only these.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { REAL_AGENTS, findRealAgent, realAgentFolder } from "@canopy/testkit/real-agents";
import type { RealAgentPackage } from "@canopy/testkit/real-agents";

const INSTALL_MS = 180_000;

/** Installs beside the place and then moves there, so that a broken download is never taken for an agent. */
function install(agent: RealAgentPackage): string | null {
  const folder = realAgentFolder(agent);
  const fresh = `${folder}.${process.pid}`;
  mkdirSync(fresh, { recursive: true });
  writeFileSync(join(fresh, "package.json"), '{"private":true}\n');
  try {
    const result = spawnSync(
      "npm",
      [
        "install",
        "--ignore-scripts",
        "--no-save",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
        agent.specifier,
      ],
      { cwd: fresh, encoding: "utf8", timeout: INSTALL_MS },
    );
    if (result.status !== 0 || !existsSync(join(fresh, "node_modules", agent.program)))
      return (result.error?.message ?? result.stderr).trim().split("\n")[0] ?? "npm install failed";
    rmSync(folder, { recursive: true, force: true });
    renameSync(fresh, folder);
    return null;
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

const wanted = process.env["CANOPY_AGENTS"] ?? "all";
for (const agent of REAL_AGENTS) {
  const isWanted = wanted === "all" || wanted.split(",").includes(agent.name);
  if (!isWanted || process.platform !== "linux" || process.arch !== "x64") {
    process.stdout.write(`agents: ${agent.name} left out\n`);
    continue;
  }
  if (findRealAgent(agent.name) !== null) continue;
  process.stdout.write(`agents: installing ${agent.name} ${agent.version} (once)...\n`);
  const problem = install(agent);
  if (problem !== null)
    process.stdout.write(`agents: ${agent.name} cannot be had, its tests are skipped: ${problem}\n`);
}
