import type { SandboxRefusal } from "@canopy/protocol";
import type { Command } from "commander";
import { printJson, printText } from "../output/print.ts";
import { formatAge, formatTable, sanitizeLine } from "../output/format.ts";
import { openProjectApi, readField } from "../connection/project-api.ts";
import type { RegisterCommands } from "../run-cli.ts";

/** Adds `canopy doctor sandbox`: tries every promise of the sandbox on this machine. Exit code 1 when there is none. */
export function addDoctorSandbox(doctor: Command, setExit: (code: number) => void): void {
  doctor
    .command("sandbox")
    .description("try what the sandbox keeps agents from on this machine, and say what it does not, and why")
    .option("--json", "print the report as JSON")
    .addHelpText("after", "\nExample:\n  canopy doctor sandbox")
    .action(async (_options: unknown, command: Command) => {
      const { probeSandbox } = await import("@canopy/daemon");
      const report = await probeSandbox();
      if (command.optsWithGlobals()["json"] === true) printJson(report);
      else {
        const levels = report.levels.map(({ level, isAvailable, detail, fix }) => [
          level,
          isAvailable ? "can be had" : "cannot be had",
          sanitizeLine(fix === null ? detail : `${detail}. ${fix}`),
        ]);
        printText(formatTable(["LEVEL", "", "KEEPS AGENTS FROM"], levels));
        const rows = report.features.map(({ state, feature, detail }) => [state, feature, detail]);
        if (rows.length > 0) printText(`\n${formatTable(["SANDBOX", "", ""], rows)}`);
      }
      if (!report.isAvailable) setExit(1);
    });
}

async function allow(host: string, options: { json?: boolean }): Promise<void> {
  const { project } = await openProjectApi();
  const { allowHost } = await import("@canopy/daemon");
  const isAdded = await allowHost(project.path, host);
  if (options.json === true) printJson({ host, added: isAdded });
  else printText(isAdded ? `${host} is allowed from the next agent on` : `${host} was allowed already`);
}

const REASONS = {
  "not-on-list": "not on the allow-list",
  "private-address": "leads into a private network: allow its address by number if it is meant",
  "not-found": "no such host",
} as const;

async function showLog(options: { json?: boolean }): Promise<void> {
  const api = await openProjectApi();
  const refusals = readField<SandboxRefusal[]>(await api.ask("GET", "/sandbox/refusals"), "refusals");
  if (options.json === true) return printJson({ refusals });
  if (refusals.length === 0) return printText("nothing was refused");
  const now = Date.now();
  const rows = refusals.map(({ atMs, host, port, reason, workspaceId }) => [
    formatAge(atMs, now),
    sanitizeLine(workspaceId),
    sanitizeLine(`${host}:${port}`),
    REASONS[reason],
  ]);
  printText(formatTable(["WHEN", "WHERE", "HOST", "WHY"], rows));
  const fixes = [...new Set(refusals.flatMap(({ fix }) => fix ?? []))];
  if (fixes.length > 0) printText(`to allow what is meant:\n${fixes.map((fix) => `  ${fix}`).join("\n")}`);
}

/** `canopy sandbox allow` and `log`. */
export const registerSandbox: RegisterCommands = (program) => {
  const sandbox = program
    .command("sandbox")
    .description("what agents may reach, and what they were refused")
    .addHelpText("after", "\nExample:\n  canopy sandbox log");
  sandbox
    .command("allow")
    .description(
      "let agents of this repository reach a host: adds it to [sandbox] allow in .canopy/config.toml",
    )
    .argument("<host>", "a host, *.host or host:port; without a port 80 and 443")
    .option("--json", "print what was done as JSON")
    .addHelpText("after", "\nExample:\n  canopy sandbox allow api.example.com:8443")
    .action(allow);
  sandbox
    .command("log")
    .description("print which connections of agents were refused, and the command that allows each")
    .option("--json", "print them as JSON")
    .addHelpText("after", "\nExample:\n  canopy sandbox log")
    .action(showLog);
};
