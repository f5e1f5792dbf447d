import { createHash, randomUUID } from "node:crypto";
import { mkdir, readFile, readdir, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Image } from "@canopy/protocol";
import { CanopyError, MAX_IMAGE_BYTES, detectImageType } from "@canopy/protocol";

/** Raised when what lies in the folder changes its form; another version's files are left alone. */
const FORMAT = "v1";
/** One that nothing refers to may be about to be: a person has sent it and not the task yet. */
const UNUSED_MS = 86_400_000;

/** Pictures of people's tasks and prompts, by content; each project has its own. */
export interface ImageStore {
  /** Keeps a picture. Throws `request.invalid` for what is none, and `request.too-large`. */
  put(projectId: string, name: string, bytes: Uint8Array): Promise<Image>;
  /** The bytes of a picture. Throws `thing.not-found`. */
  read(projectId: string, imageId: string): Promise<Uint8Array>;
  /** Removes what nothing refers to any more. Returns how many. */
  expire(projectId: string, keep: ReadonlySet<string>, nowMs: number): Promise<number>;
  /** Removes all of a project. */
  forget(projectId: string): Promise<void>;
}

function describeBytes(bytes: number): string {
  return `${(Math.ceil((bytes * 100) / 1_048_576) / 100).toFixed(2)} MiB`;
}

function readImage(name: string, bytes: Uint8Array): Image {
  if (bytes.length > MAX_IMAGE_BYTES) {
    throw new CanopyError(
      "request.too-large",
      `${name} has ${describeBytes(bytes.length)}; an image may have ${describeBytes(MAX_IMAGE_BYTES)}`,
    );
  }
  const mediaType = detectImageType(bytes);
  if (mediaType === null)
    throw new CanopyError(
      "request.invalid",
      `${name} is no image: its content is neither PNG, JPEG, GIF nor WebP`,
    );
  const imageId = createHash("sha256").update(bytes).digest("hex");
  return { imageId, name: name.slice(-200), mediaType, sizeBytes: bytes.length };
}

/** Keeps pictures below a folder that no sandbox shows, readable by this user alone. */
export function openImageStore(directory: string): ImageStore {
  const folderOf = (projectId: string): string => join(directory, FORMAT, basename(projectId));
  const fileOf = (projectId: string, imageId: string): string => join(folderOf(projectId), basename(imageId));
  return {
    async put(projectId, name, bytes) {
      const shown = basename(name.replaceAll("\\", "/")) || "image";
      const image = readImage(shown, bytes);
      await mkdir(folderOf(projectId), { recursive: true, mode: 0o700 });
      const target = fileOf(projectId, image.imageId);
      const half = `${target}.${randomUUID()}`;
      await writeFile(half, bytes, { mode: 0o600 });
      await rename(half, target);
      return image;
    },
    async read(projectId, imageId) {
      const bytes = await readFile(fileOf(projectId, imageId)).catch(() => null);
      const isWhole = bytes !== null && createHash("sha256").update(bytes).digest("hex") === imageId;
      if (isWhole) return bytes;
      throw new CanopyError("thing.not-found", `image ${imageId.slice(0, 12)} is not kept here`);
    },
    async expire(projectId, keep, nowMs) {
      let count = 0;
      for (const name of await readdir(folderOf(projectId)).catch((): string[] => [])) {
        const path = fileOf(projectId, name);
        const info = await stat(path).catch(() => null);
        if (info === null) continue;
        // Its age counts from when it was needed last.
        if (keep.has(name)) await utimes(path, nowMs / 1000, nowMs / 1000);
        else if (nowMs - info.mtimeMs > UNUSED_MS) {
          await rm(path, { force: true });
          count += 1;
        }
      }
      return count;
    },
    async forget(projectId) {
      await rm(folderOf(projectId), { recursive: true, force: true });
    },
  };
}
