import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { KeptPatch, Resolution } from "@canopy/protocol";
import type { Command } from "commander";
import { CanopyError } from "@canopy/protocol/errors";
import type { ProjectApi } from "../connection/project-api.ts";
import { openProjectApi, readField } from "../connection/project-api.ts";
import { formatDuration, formatTable, sanitizeLine } from "../output/format.ts";
import { printJson, printText } from "../output/print.ts";

interface PatchOptions {
  readonly export?: string;
  readonly apply?: string;
  readonly expire?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

interface Expired {
  readonly ref: string;
  readonly commit: string;
  readonly ageMs: number;
}

function shortRef(ref: string): string {
  return ref.replace("refs/canopy/", "");
}

async function listPatches(api: ProjectApi): Promise<KeptPatch[]> {
  return readField<KeptPatch[]>(await api.ask("GET", "/patches"), "patches");
}

/** Days and hours: kept work is older than what other lists show. */
function formatOld(ageMs: number): string {
  const days = Math.floor(ageMs / 86_400_000);
  return days >= 1 ? `${days}d` : formatDuration(ageMs);
}

async function showPatches(api: ProjectApi, isJson: boolean): Promise<void> {
  const patches = await listPatches(api);
  if (isJson) {
    printJson({ patches });
    return;
  }
  const rows = patches.map((patch) => [
    shortRef(patch.ref),
    patch.taskNumber === null ? "-" : `#${patch.taskNumber}`,
    patch.changeState ?? "-",
    formatOld(patch.ageMs),
    sanitizeLine(patch.title),
  ]);
  if (rows.length === 0) printText("no work is kept that did not land");
  else printText(formatTable(["REF", "TASK", "STATE", "AGE", ""], rows));
}

async function exportPatches(api: ProjectApi, folder: string, isJson: boolean): Promise<void> {
  await mkdir(folder, { recursive: true });
  const files: { ref: string; file: string }[] = [];
  for (const { ref } of await listPatches(api)) {
    const answer = await api.ask("GET", `/patches/${encodeURIComponent(shortRef(ref))}`);
    const file = join(folder, `${shortRef(ref).replaceAll("/", "-")}.patch`);
    await writeFile(file, Buffer.from(readField<string>(answer, "patch"), "base64"));
    files.push({ ref, file });
  }
  if (isJson) printJson({ files });
  else
    printText(
      files.length === 0 ? "no work is kept that did not land" : files.map(({ file }) => file).join("\n"),
    );
}

async function applyPatch(api: ProjectApi, ref: string, isJson: boolean): Promise<void> {
  const resolution = parseResolution(await api.ask("POST", "/patches/apply", { ref }));
  if (isJson) printJson(resolution);
  else printText(`queued again: ${resolution.changeId} with ${resolution.commit.slice(0, 12)}`);
}

function parseResolution(value: unknown): Resolution {
  return value as Resolution;
}

async function expirePatches(api: ProjectApi, dryRun: boolean, isJson: boolean): Promise<void> {
  const expired = readField<Expired[]>(await api.ask("POST", "/patches/expire", { dryRun }), "expired");
  if (isJson) {
    printJson({ dryRun, expired });
    return;
  }
  const lines = expired.map(({ ref, ageMs }) => `${shortRef(ref)}  ${formatOld(ageMs)}`);
  const count = `${expired.length} ${expired.length === 1 ? "ref" : "refs"}`;
  printText([...lines, dryRun ? `${count} would be forgotten` : `${count} forgotten`].join("\n"));
}

async function patches(options: PatchOptions): Promise<void> {
  const modes = [options.export !== undefined, options.apply !== undefined, options.expire === true];
  if (modes.filter(Boolean).length > 1)
    throw new CanopyError("usage.invalid", "say one of --export, --apply and --expire");
  if (options.dryRun === true && options.expire !== true)
    throw new CanopyError("usage.invalid", "--dry-run goes with --expire");
  const api = await openProjectApi();
  const isJson = options.json === true;
  if (options.export !== undefined) await exportPatches(api, resolve(options.export), isJson);
  else if (options.apply !== undefined) await applyPatch(api, options.apply, isJson);
  else if (options.expire === true) await expirePatches(api, options.dryRun === true, isJson);
  else await showPatches(api, isJson);
}

/** `canopy queue patches`. */
export function registerQueuePatches(queue: Command): void {
  queue
    .command("patches")
    .description("list kept work that did not land: failed candidates, attempts, resolutions")
    .option("--export <dir>", "write each as a patch that git am and git apply take")
    .option("--apply <ref>", "make one its change's work again, and queue it")
    .option("--expire", "forget what is older than the configuration keeps it")
    .option("--dry-run", "with --expire: only say what would be forgotten")
    .option("--json", "print them as JSON")
    .addHelpText("after", "\nExample:\n  canopy queue patches --export /tmp/patches")
    .action(patches);
}
