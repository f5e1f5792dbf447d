import { resolve as resolvePath } from "node:path";
import type { ChangeConflict, Resolution, ResolveInput } from "@canopy/protocol";
import type { Command } from "commander";
import { CanopyError } from "@canopy/protocol/errors";
import type { ProjectApi } from "../connection/project-api.ts";
import { openProjectApi } from "../connection/project-api.ts";
import { sanitizeLine } from "../output/format.ts";
import { asJson, printJson, printText } from "../output/print.ts";
import { layOutConflict, readConflictFolder } from "../queue/conflict-folder.ts";
import { findChange } from "../queue/find-change.ts";
import { parseSide, parseSides } from "../queue/parse-sides.ts";

interface JsonOption {
  readonly json?: boolean;
}

function parseConflict(value: unknown): ChangeConflict {
  return value as ChangeConflict;
}

function parseResolution(value: unknown): Resolution {
  return value as Resolution;
}

/** Throws `conflict` when nothing conflicts any more. */
async function readOpenConflict(api: ProjectApi, changeId: string): Promise<ChangeConflict> {
  const conflict = parseConflict(await api.ask("GET", `/changes/${changeId}/conflict`));
  if (conflict.isConflicted) return conflict;
  throw new CanopyError("conflict", `change ${changeId} merges with the branch as it is now`, {
    hint: `try it again: canopy queue retry ${changeId}`,
  });
}

async function submitChoices(
  api: ProjectApi,
  changeId: string,
  request: ResolveInput,
  { json }: JsonOption,
): Promise<void> {
  const resolution = parseResolution(await api.ask("POST", `/changes/${changeId}/resolve`, asJson(request)));
  if (json === true) printJson(resolution);
  else
    printText(
      `resolved and queued again: ${changeId} as ${resolution.commit.slice(0, 12)} (${resolution.ref})`,
    );
}

async function take(
  sideName: string,
  reference: string,
  paths: readonly string[],
  options: JsonOption,
): Promise<void> {
  const side = parseSide(sideName);
  const api = await openProjectApi();
  const { changeId } = await findChange(api, reference);
  const conflict = await readOpenConflict(api, changeId);
  const conflicted = conflict.files.map((file) => file.path);
  const choices = parseSides(side, paths, conflicted);
  const taken = Object.entries(choices).map(
    ([path, choice]) => `${path}=${"take" in choice ? choice.take : ""}`,
  );
  await submitChoices(
    api,
    changeId,
    { tip: conflict.tip, choices, detail: `took ${taken.join(", ")}`.slice(0, 5000) },
    options,
  );
}

interface ResolveOptions extends JsonOption {
  readonly checkout?: string;
  readonly from?: string;
}

async function resolve(reference: string, options: ResolveOptions): Promise<void> {
  const { checkout, from } = options;
  if ((checkout === undefined) === (from === undefined))
    throw new CanopyError("usage.invalid", "say one of --checkout DIR and --from DIR");
  const api = await openProjectApi();
  const { changeId } = await findChange(api, reference);
  if (from !== undefined) {
    const { tip, choices } = await readConflictFolder(resolvePath(from), changeId);
    const detail = `edited ${Object.keys(choices).length} files`;
    await submitChoices(api, changeId, { tip, choices, detail }, options);
    return;
  }
  const folder = resolvePath(checkout ?? "");
  const files = await layOutConflict(folder, await readOpenConflict(api, changeId));
  if (options.json === true) {
    printJson({ changeId, folder, files });
    return;
  }
  printText(
    [
      ...files.map((path) => `  ${sanitizeLine(path)}`),
      `edit these files in ${folder} (all versions are below .canopy-conflict; remove a file to delete it), then:`,
      `  canopy queue resolve ${changeId} --from ${folder}`,
    ].join("\n"),
  );
}

/** `canopy queue take` and `resolve`. */
export function registerQueueResolve(queue: Command): void {
  queue
    .command("take")
    .argument("<side>", "ours (the branch), theirs (the change), base or union (the lines of both)")
    .argument("<change>", "a conflicted change")
    .argument(
      "[paths...]",
      "files that take the side, or PATH=SIDE; default: all; every conflicted file needs one",
    )
    .description("resolve a conflicted change by taking whole versions of its files")
    .option("--json", "print what came of it as JSON")
    .addHelpText("after", "\nExample:\n  canopy queue take theirs 3k9d src/a.ts docs/notes.md=union")
    .action(take);
  queue
    .command("resolve")
    .argument("<change>", "a conflicted change")
    .description(
      "resolve a conflicted change by hand: lay its files out in a folder, edit them, take them over",
    )
    .option("--checkout <dir>", "lay the conflicted files out in this new folder")
    .option("--from <dir>", "take the edited files of this folder over")
    .option("--json", "print what was done as JSON")
    .addHelpText("after", "\nExample:\n  canopy queue resolve 3k9d --checkout /tmp/3k9d")
    .action(resolve);
}
