import { existsSync } from "node:fs";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { CanopyError } from "@canopy/protocol/errors";
import type { RegisterCommands } from "../run-cli.ts";
import { openProjectApi } from "../connection/project-api.ts";
import {
  createQuestions,
  detectProject,
  parseAnswers,
  renderConfig,
  suggestAnswers,
} from "@canopy/daemon/init";
import type { InitAnswers } from "@canopy/daemon/init";
import { sanitizeLine } from "../output/format.ts";
import { printJson, printNote, printText } from "../output/print.ts";
import { readStandardInput } from "../read-standard-input.ts";

interface InitOptions {
  readonly json?: boolean;
  readonly detect?: boolean;
  readonly agent?: boolean;
  readonly apply?: string;
  readonly yes?: boolean;
  readonly nonInteractive?: boolean;
  readonly reconfigure?: boolean;
  readonly skipBeads?: boolean;
}

/** The work tree that a folder is in; the folder itself when it is in none. */
function findRoot(from: string): string {
  for (let folder = from; ; folder = dirname(folder)) {
    if (existsSync(join(folder, ".git"))) return folder;
    if (dirname(folder) === folder) return from;
  }
}

async function readAnswersText(apply: string): Promise<string> {
  if (apply === "-") return await readStandardInput();
  if (apply.trimStart().startsWith("{")) return apply;
  return await readFile(apply, "utf8").catch((error: unknown) => {
    const why = error instanceof Error ? error.message : "";
    throw new CanopyError("usage.invalid", `cannot read ${apply}: ${why}`, {
      hint: "name a file, - for standard input, or give the JSON itself",
    });
  });
}

/** Writes the file, unless there is one; with `isRenewed` the old one is kept beside it. Answers what was written. */
async function writeConfig(file: string, text: string, isRenewed: boolean): Promise<boolean> {
  if (existsSync(file)) {
    if (!isRenewed) return false;
    await copyFile(file, `${file}.old`);
  }
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
  return true;
}

async function initialize(options: InitOptions): Promise<void> {
  const root = findRoot(process.cwd());
  const detection = await detectProject(root);
  if (options.detect === true) return printJson(detection);
  if (options.agent === true) {
    return printJson({
      ...detection,
      questions: createQuestions(detection),
      instructions: "Answer with one JSON object, question id to answer, to: canopy init --apply -",
    });
  }
  const isChosen = options.yes === true || options.nonInteractive === true;
  const suggested = suggestAnswers(detection);
  const answers: InitAnswers =
    options.apply === undefined
      ? { ...suggested, isValidated: isChosen && suggested.isValidated }
      : parseAnswers(await readAnswersText(options.apply), detection);
  if (options.skipBeads === true)
    printNote("--skip-beads does nothing here: tasks are Canopy's own unless configured otherwise");
  const { project } = await openProjectApi();
  const file = join(project.path, ".canopy", "config.toml");
  const isWritten = await writeConfig(file, renderConfig(detection, answers), options.reconfigure === true);
  if (options.apply !== undefined && !isWritten) {
    throw new CanopyError("conflict", `${file} is there already: the answers were not applied`, {
      hint: "canopy init --reconfigure writes it anew, and keeps the old one beside it",
    });
  }
  if (options.json === true || options.apply !== undefined) {
    const created = isWritten ? [file] : [];
    return printJson({ success: true, files_created: created, project, config: file, created: isWritten });
  }
  printText(`${project.name} is registered as ${project.projectId}`);
  printText(isWritten ? `wrote ${file}` : `${file} was there already`);
  if (isWritten) printText(describeValidation(answers));
  printText('next: canopy task add "..." and canopy run');
}

function describeValidation({ isValidated, steps }: InitAnswers): string {
  const commands = steps.map(({ command }) => sanitizeLine(command)).join("; ");
  if (isValidated) return `only what passes lands: ${commands}`;
  if (steps.length === 0) return "no commands that test it were found: nothing is validated";
  return `found, but not switched on: ${commands}\n  canopy init --reconfigure --yes makes landing wait for them`;
}

/** `canopy init`. */
export const registerInit: RegisterCommands = (program) => {
  program
    .command("init")
    .description(
      "register this repository, look at its languages and tests, and write a commented .canopy/config.toml; an existing one stays",
    )
    .option("-y, --yes", "take what was found: validate with the commands that look right")
    .option("--non-interactive", "the same as --yes")
    .option("--reconfigure", "write the file anew; the old one is kept as config.toml.old")
    .option("--detect", "only print what was found, as JSON")
    .option("--agent", "only print what was found and the questions for an agent to answer, as JSON")
    .option("--apply <answers>", "take answers: a file with a JSON object, - for standard input, or the JSON")
    .option("--skip-beads", "does nothing; accepted because an older program had it")
    .option("--json", "print what was done as JSON")
    .addHelpText("after", "\nExample:\n  canopy init --yes")
    .action(initialize);
};
