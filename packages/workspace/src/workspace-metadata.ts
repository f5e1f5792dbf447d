import { randomBytes } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { jsonSchema } from "@canopy/protocol";
import { z } from "zod";

/** The ways to make a workspace, best first. */
export const BACKEND_NAMES = [
  "overlay",
  "overlay-userns",
  "fuse-overlayfs",
  "reflink",
  "worktree",
  "copy",
] as const;

/** A way to make a workspace. */
export type BackendName = (typeof BACKEND_NAMES)[number];

const metadataSchema = z.object({
  version: z.literal(1),
  workspaceId: z.string(),
  projectId: z.string(),
  projectName: z.string(),
  commit: z.string(),
  backend: z.enum(BACKEND_NAMES),
  /** `kept`: on purpose left on disk without processes or mounts. */
  state: z.enum(["creating", "ready", "kept"]),
  owner: z.object({ pid: z.int(), startedAt: z.string() }),
  createdAtMs: z.number(),
  /** Names of the layers it stands on, the topmost first; empty for a plain folder. */
  layers: z.array(z.string()),
  /** Where the files are for a process inside. */
  path: z.string(),
  brought: z.array(z.object({ path: z.string(), how: z.enum(["copied", "mounted"]) })),
  ports: z.array(z.int()),
  /** For level `container`: the engine's socket, null for one of the usual. Missing: no container. */
  containerEngine: z.string().nullable().optional(),
  metadata: jsonSchema,
});

/** What is written down about a workspace before anything of it is made. Version 1. */
export type WorkspaceMetadata = z.infer<typeof metadataSchema>;

const FILE_NAME = "workspace.json";

/** Writes a workspace's metadata at once or not at all. */
export async function writeMetadata(directory: string, metadata: WorkspaceMetadata): Promise<void> {
  const temporary = join(directory, `.${FILE_NAME}-${randomBytes(4).toString("hex")}`);
  await writeFile(temporary, `${JSON.stringify(metadata, null, 2)}\n`);
  await rename(temporary, join(directory, FILE_NAME));
}

/** Reads a workspace's metadata; null when there is none that this version understands. */
export async function readMetadata(directory: string): Promise<WorkspaceMetadata | null> {
  const text = await readFile(join(directory, FILE_NAME), "utf8").catch(() => null);
  if (text === null) return null;
  try {
    return metadataSchema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}
