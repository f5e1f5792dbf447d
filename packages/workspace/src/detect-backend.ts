import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { platform } from "node:process";
import { promisify } from "node:util";
import { CanopyError, isCanopyError } from "@canopy/protocol";
import { isOverlayBackend, layerScript, needsUserNamespace } from "./mount-script.ts";
import type { OverlayBackend } from "./mount-script.ts";
import { startNamespaceHolder } from "./namespace-holder.ts";
import { removeTree } from "./remove-tree.ts";
import { BACKEND_NAMES } from "./workspace-metadata.ts";
import type { BackendName } from "./workspace-metadata.ts";

const execute = promisify(execFile);

/** The way workspaces are made here, and why each better one is not used. */
export interface BackendChoice {
  readonly backend: BackendName;
  readonly skipped: readonly { readonly backend: BackendName; readonly reason: string }[];
}

/** Deletes and makes again a folder through a real overlay, which is what the simplest broken ones get wrong. */
async function tryOverlay(backend: OverlayBackend, directory: string): Promise<void> {
  for (const name of ["lower/folder", "upper", "work", "merged"])
    await mkdir(join(directory, name), { recursive: true });
  await writeFile(join(directory, "lower/folder/old"), "old");
  await writeFile(join(directory, "lower/kept"), "kept");
  const act = `rm -r merged/folder\nmkdir merged/folder\necho new > merged/folder/new`;
  await using holder = await startNamespaceHolder({
    withUserNamespace: needsUserNamespace(backend),
    cwd: directory,
    script: `${layerScript(backend)}\n${act}`,
    args: ["lower", "merged"],
  });
  const merged = `${holder.root}${join(directory, "merged")}`;
  const names = [await readdir(merged), await readdir(join(merged, "folder"))].map((list) =>
    list.sort().join(" "),
  );
  const kept = await readFile(join(merged, "kept"), "utf8");
  if (names.join("|") === "folder kept|new" && kept === "kept") return;
  throw new CanopyError("workspace.failed", `the overlay shows wrong files: ${names.join("|")}`);
}

/** Arguments of `cp` that copy a tree by sharing its blocks, or fail. */
export function reflinkArguments(): string[] {
  return platform === "darwin" ? ["-c", "-R", "-p"] : ["-a", "--reflink=always"];
}

async function tryReflink(directory: string): Promise<void> {
  await writeFile(join(directory, "original"), "x".repeat(8_192));
  await execute("cp", [...reflinkArguments(), "original", "copy"], { cwd: directory });
}

function reasonOf(error: unknown): string {
  if (isCanopyError(error)) return error.message;
  const stderr = error instanceof Error && "stderr" in error ? String(error.stderr) : "";
  return stderr.trim().split("\n")[0] || String(error);
}

async function tryBackend(backend: BackendName, cacheDirectory: string): Promise<string | null> {
  if (backend === "worktree" || backend === "copy") return null;
  if (isOverlayBackend(backend) && platform !== "linux") return "overlays need Linux";
  if (backend === "overlay" && process.getuid?.() !== 0) return "it needs root";
  await mkdir(cacheDirectory, { recursive: true });
  const directory = await mkdtemp(join(cacheDirectory, ".try-"));
  try {
    await (isOverlayBackend(backend) ? tryOverlay(backend, directory) : tryReflink(directory));
    return null;
  } catch (error) {
    return reasonOf(error);
  } finally {
    await removeTree(directory);
  }
}

async function detect(cacheDirectory: string, forced: BackendName | undefined): Promise<BackendChoice> {
  const skipped: { backend: BackendName; reason: string }[] = [];
  for (const backend of BACKEND_NAMES) {
    if (forced !== undefined && backend !== forced) continue;
    const reason = await tryBackend(backend, cacheDirectory);
    if (reason === null) return { backend, skipped };
    skipped.push({ backend, reason });
  }
  throw new CanopyError(
    "workspace.failed",
    `workspaces cannot be made as asked: ${skipped[0]?.reason ?? ""}`,
    {
      hint: "Leave the backend to Canopy, or see what the named one needs.",
      data: { skipped },
    },
  );
}

const choices = new Map<string, Promise<BackendChoice>>();

/**
 * Finds the best way to make workspaces in a cache folder by trying each, once per process. `forced` names the only one to
 * try. Throws `workspace.failed` when the forced one does not work here.
 */
export function detectBackend(cacheDirectory: string, forced?: BackendName): Promise<BackendChoice> {
  const key = `${forced ?? ""}:${cacheDirectory}`;
  const known = choices.get(key) ?? detect(cacheDirectory, forced);
  choices.set(key, known);
  void known.catch(() => choices.delete(key));
  return known;
}
