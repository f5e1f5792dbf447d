import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Project } from "@canopy/protocol";
import { CanopyError } from "@canopy/protocol/errors";
import type { Command } from "commander";
import { act } from "../connection/coordination-api.ts";
import { openDaemonApi, readField } from "../connection/project-api.ts";
import { formatAge, formatTable, sanitizeLine } from "../output/format.ts";
import { printJson, printText } from "../output/print.ts";
import { parseDurationArgument } from "../parse-arguments.ts";
import type { RegisterCommands } from "../run-cli.ts";

interface JsonOption {
  readonly json?: boolean;
}

const SECTIONS = ["sessions", "claims", "mail", "timeline"] as const;

function addCommand(program: Command, signature: string, description: string, example: string): Command {
  return program
    .command(signature)
    .description(description)
    .option("--json", "print JSON")
    .addHelpText("after", `\nExample:\n  ${example}`);
}

async function readFiles(redacted: boolean): Promise<Record<string, string>> {
  const { files } = await act({ type: "export", redacted }, {});
  return files as Record<string, string>;
}

async function show(options: JsonOption & { section: string }): Promise<void> {
  if (!SECTIONS.some((section) => section === options.section)) {
    throw new CanopyError("usage.invalid", `no section ${options.section}`, {
      hint: `say one of: ${SECTIONS.join(", ")}`,
    });
  }
  const files = await readFiles(false);
  const text = files[`${options.section}.md`] ?? "";
  if (options.json === true) printJson({ section: options.section, text });
  else printText(text);
}

async function exportTo(folder: string, options: JsonOption & { redacted?: boolean }): Promise<void> {
  const target = resolve(folder);
  const files = await readFiles(options.redacted === true);
  mkdirSync(target, { recursive: true, mode: 0o700 });
  if (readdirSync(target).length > 0) {
    throw new CanopyError("usage.invalid", `${target} is not empty`, { hint: "name a new folder" });
  }
  for (const [name, text] of Object.entries(files)) writeFileSync(join(target, name), text, { mode: 0o600 });
  const names = Object.keys(files).toSorted();
  if (options.json === true) printJson({ folder: target, files: names });
  else printText(`wrote ${names.length} files to ${target}`);
}

async function list({ json }: JsonOption): Promise<void> {
  const api = await openDaemonApi();
  const projects = readField<Project[]>(await api.request("GET", "/projects"), "projects");
  if (json === true) return printJson({ projects });
  const now = Date.now();
  printText(
    projects.length === 0
      ? "no projects yet"
      : formatTable(
          ["PROJECT", "NAME", "KNOWN SINCE", "PATH"],
          projects.map((project) => [
            project.projectId,
            sanitizeLine(project.name),
            formatAge(project.addedAtMs, now),
            sanitizeLine(project.path),
          ]),
        ),
  );
}

function registerEnds(program: Command): void {
  addCommand(program, "finish", "archive what the sessions did here, and take no more", "canopy finish")
    .option("--reason <text>", "why", "")
    .action(async (options: JsonOption & { reason: string }) => {
      const answer = await act({ type: "finish", reason: options.reason }, {});
      if (options.json === true) printJson(answer);
      else printText(`finished; archived in ${readField<string>(answer, "archive")}`);
    });
  addCommand(program, "reopen", "take sessions again after finish", "canopy reopen").action(
    async (options: JsonOption) => {
      const answer = await act({ type: "reopen" }, {});
      if (options.json === true) printJson(answer);
      else printText("reopened");
    },
  );
  addCommand(
    program,
    "forget",
    "remove everything that Canopy knows of this repository; its branches and refs stay",
    "canopy forget --yes",
  )
    .option("--yes", "really")
    .action(async (options: JsonOption & { yes?: boolean }) => {
      if (options.yes !== true) {
        throw new CanopyError(
          "usage.invalid",
          "this removes tasks, history, sessions and mail of the repository",
          {
            hint: "say it again with --yes",
          },
        );
      }
      const answer = await act({ type: "forget" }, {});
      if (options.json === true) printJson(answer);
      else printText(`forgot ${readField<string>(answer, "projectId")}`);
    });
  addCommand(
    program,
    "gc",
    "forget ended sessions, old mail, waits and timeline",
    "canopy gc --older-than 30d",
  )
    .option("--older-than <duration>", "what ended before", parseDurationArgument, 2_592_000_000)
    .action(async (options: JsonOption & { olderThan: number }) => {
      const answer = await act({ type: "gc", olderThanMs: options.olderThan }, {});
      if (options.json === true) printJson(answer);
      else printText("done");
    });
}

/** `list`, `show`, `export`, `finish`, `reopen`, `forget`, `gc`. */
export const registerProject: RegisterCommands = (program) => {
  addCommand(program, "list", "show the repositories that Canopy knows", "canopy list").action(list);
  addCommand(
    program,
    "show",
    "print what people have of this repository: sessions, claims, mail or timeline",
    "canopy show --section mail",
  )
    .option("--section <section>", "which one", "sessions")
    .action(show);
  addCommand(
    program,
    "export <folder>",
    "write sessions, claims, mail, waits and timeline into a new folder",
    "canopy export /tmp/canopy-export --redacted",
  )
    .option("--redacted", "without paths of this machine, its user, addresses and tokens")
    .action(exportTo);
  registerEnds(program);
};
