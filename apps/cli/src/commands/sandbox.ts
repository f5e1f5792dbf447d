import type { Command } from "commander";
import { printJson, printText } from "../output/print.ts";
import { formatTable, sanitizeLine } from "../output/format.ts";
import { openProjectApi } from "../connection/project-api.ts";
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
        if (report.reason !== null)
          printText(`no sandbox here: ${sanitizeLine(report.reason)}\n  ${report.fix ?? ""}`);
        const rows = report.features.map(({ state, feature, detail }) => [state, feature, detail]);
        if (rows.length > 0) printText(formatTable(["", "", ""], rows).trimStart());
      }
      if (!report.isAvailable) setExit(1);
    });
}

/** `canopy sandbox allow HOST`. */
export const registerSandbox: RegisterCommands = (program) => {
  const sandbox = program
    .command("sandbox")
    .description("what agents may reach")
    .addHelpText("after", "\nExample:\n  canopy sandbox allow api.example.com:8443");
  sandbox
    .command("allow")
    .description(
      "let agents of this repository reach a host: adds it to [sandbox] allow in .canopy/config.toml",
    )
    .argument("<host>", "a host, *.host or host:port; without a port 80 and 443")
    .option("--json", "print what was done as JSON")
    .addHelpText("after", "\nExample:\n  canopy sandbox allow api.example.com:8443")
    .action(async (host: string, options: { json?: boolean }) => {
      const { project } = await openProjectApi();
      const { allowHost } = await import("@canopy/daemon");
      const isAdded = await allowHost(project.path, host);
      if (options.json === true) printJson({ host, added: isAdded });
      else printText(isAdded ? `${host} is allowed from the next agent on` : `${host} was allowed already`);
    });
};
