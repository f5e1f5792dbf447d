import { readFile, stat } from "node:fs/promises";
import { basename } from "node:path";
import type { Image } from "@canopy/protocol";
import { CanopyError } from "@canopy/protocol/errors";
import type { ProjectApi } from "../connection/project-api.ts";
import { readField } from "../connection/project-api.ts";

/** Beyond this a file is not even read; how large an image may be the daemon says. */
const MAX_FILE_BYTES = 16_777_216;
const MAX_FILES = 8;

async function readImageFile(file: string): Promise<{ name: string; base64: string }> {
  const refuse = (why: string): CanopyError =>
    new CanopyError("usage.invalid", `cannot read ${file}: ${why}`);
  const info = await stat(file).catch((error: unknown) => {
    throw refuse(error instanceof Error ? error.message : "it is not there");
  });
  if (!info.isFile()) throw refuse("it is no file");
  if (info.size === 0) throw refuse("it is empty");
  if (info.size > MAX_FILE_BYTES)
    throw new CanopyError("request.too-large", `${file} is too large for an image`);
  const bytes = await readFile(file).catch((error: unknown) => {
    throw refuse(error instanceof Error ? error.message : "it cannot be read");
  });
  return { name: basename(file), base64: bytes.toString("base64") };
}

/**
 * Has image files kept by the daemon, to be named by a task or a prompt. All are read before the first is sent, and nothing refers
 * to them before all are there. Throws `usage.invalid`, `request.invalid` and `request.too-large`.
 */
export async function uploadImages(api: ProjectApi, files: readonly string[]): Promise<Image[]> {
  if (files.length > MAX_FILES)
    throw new CanopyError("usage.invalid", `${files.length} images are too many: at most ${MAX_FILES}`);
  const read: { name: string; base64: string }[] = [];
  for (const file of files) read.push(await readImageFile(file));
  const images: Image[] = [];
  for (const image of read) images.push(readField<Image>(await api.ask("POST", "/images", image), "image"));
  return images;
}
