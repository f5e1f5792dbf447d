import { execFile } from "node:child_process";
import { statfs } from "node:fs/promises";
import { promisify } from "node:util";
import { isCanopyError } from "@canopy/protocol/errors";
import type { DaemonStatus } from "@canopy/protocol";
import type { RegisterCommands } from "../run-cli.ts";
import { addDoctorSandbox } from "./sandbox.ts";
import { openDaemonApi, openProjectApi } from "../connection/project-api.ts";
import { formatBytes, formatTable, sanitizeLine } from "../output/format.ts";
import { printJson, printText } from "../output/print.ts";

/** One thing that was looked at. */
interface Check {
  readonly name: string;
  readonly state: "ok" | "warning" | "failed";
  readonly detail: string;
  readonly hint?: string;
  /** True when it was wrong and has been mended. */
  readonly fixed?: boolean;
}

const LOW_DISK_BYTES = 1_073_741_824;
const execute = promisify(execFile);

async function checkGit(): Promise<Check> {
  try {
    const { stdout } = await execute("git", ["--version"]);
    const [, major = "0", minor = "0"] = /(\d+)\.(\d+)/.exec(stdout) ?? [];
    const isNewEnough = Number(major) > 2 || (Number(major) === 2 && Number(minor) >= 38);
    if (isNewEnough) return { name: "git", state: "ok", detail: stdout.trim() };
    return { name: "git", state: "failed", detail: stdout.trim(), hint: "git 2.38 or later is needed" };
  } catch {
    return { name: "git", state: "failed", detail: "not found", hint: "install it: apt-get install git" };
  }
}

async function attempt(name: string, look: () => Promise<Check>): Promise<Check> {
  try {
    return await look();
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    const hint = isCanopyError(error) ? error.hint : undefined;
    return hint === undefined ? { name, state: "failed", detail } : { name, state: "failed", detail, hint };
  }
}

async function checkDaemon(): Promise<Check[]> {
  const places: string[] = [];
  const daemon = await attempt("daemon", async () => {
    const status = (await (await openDaemonApi()).request("GET", "/status")) as DaemonStatus;
    places.push(status.cacheDirectory);
    const detail = `pid ${status.pid}, http://127.0.0.1:${status.port}, ${formatBytes(status.memoryBytes)}`;
    return { name: "daemon", state: "ok", detail };
  });
  const [place] = places;
  if (place === undefined) return [daemon];
  const workspaces = await attempt("workspaces", async () => {
    const answer = await (await openDaemonApi()).request("GET", "/workspaces");
    const { backend, skipped } = answer as {
      backend: string;
      skipped: { backend: string; reason: string }[];
    };
    const reasons = skipped.map((item) => `${item.backend}: ${item.reason}`).join("; ");
    if (reasons === "") return { name: "workspaces", state: "ok", detail: backend };
    return { name: "workspaces", state: "warning", detail: `${backend}, because ${reasons}` };
  });
  const disk = await attempt("disk", async () => {
    const info = await statfs(place);
    const freeBytes = info.bavail * info.bsize;
    const detail = `${formatBytes(freeBytes)} free for ${place}`;
    if (freeBytes >= LOW_DISK_BYTES) return { name: "disk", state: "ok", detail };
    return { name: "disk", state: "warning", detail, hint: "free some space: workspaces need it" };
  });
  return [daemon, workspaces, disk];
}

async function checkRepository(): Promise<Check[]> {
  const repository = await attempt("repository", async () => {
    const { project } = await openProjectApi();
    return { name: "repository", state: "ok", detail: `${project.name} (${project.path})` };
  });
  if (repository.state !== "ok") return [repository];
  const plan = await attempt("configuration", async () => {
    const api = await openProjectApi();
    const answer = (await api.ask("POST", "/runs/plan", { path: process.cwd() })) as {
      agent: string;
      integrationBranch: string;
    };
    return {
      name: "configuration",
      state: "ok",
      detail: `agent ${answer.agent}; work lands on ${answer.integrationBranch}`,
    };
  });
  return [repository, plan];
}

/** `canopy doctor`. */
export const registerDoctor: RegisterCommands = (program, setExit) => {
  const doctor = program.command("doctor");
  doctor
    .description(
      "check what Canopy needs here: Node, git, state, daemon, hooks, workspaces, repository, configuration",
    )
    .option("--fix", "mend what can be mended without losing anything")
    .option("--json", "print the checks as JSON")
    .addHelpText("after", "\nExample:\n  canopy doctor --fix")
    .action(async (options: { json?: boolean; fix?: boolean }) => {
      const node: Check = { name: "node", state: "ok", detail: process.version };
      const { checkHooks, checkStateAtRest } = await import("../doctor/check-coordination.ts");
      const shouldFix = options.fix === true;
      const atRest = await checkStateAtRest(shouldFix);
      const daemon = await checkDaemon();
      const checks: Check[] = [node, await checkGit(), ...atRest, ...daemon];
      // Without a daemon nothing of this can be so.
      if (daemon.every((check) => check.state !== "failed")) checks.push(...(await checkHooks(shouldFix)));
      checks.push(...(await checkRepository()));
      if (options.json === true) printJson({ checks });
      else {
        const rows = checks.map((check) => [
          check.state,
          check.name,
          sanitizeLine(check.detail) + (check.hint === undefined ? "" : `  (${sanitizeLine(check.hint)})`),
        ]);
        printText(formatTable(["", "", ""], rows).trimStart());
      }
      if (checks.some((check) => check.state === "failed")) setExit(1);
    });
  addDoctorSandbox(doctor, setExit);
};
