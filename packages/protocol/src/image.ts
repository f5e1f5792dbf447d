import { z } from "zod";

/** Largest image, in bytes: as base64 it has the 5 MiB that model providers take. */
export const MAX_IMAGE_BYTES = 3_932_160;
/** Most images of one task or prompt. */
export const MAX_IMAGES = 8;

/** Kinds of picture that agents take. */
export const imageTypeSchema = z.enum(["image/png", "image/jpeg", "image/gif", "image/webp"]);

/** A picture that goes with a task or a prompt. Its content is kept by the daemon under its SHA-256. */
export const imageSchema = z.object({
  imageId: z.string().regex(/^[0-9a-f]{64}$/, "a SHA-256 in hexadecimal"),
  /** As a person's file was called, without its folders. */
  name: z.string().min(1).max(200),
  mediaType: imageTypeSchema,
  sizeBytes: z.int().positive().max(MAX_IMAGE_BYTES),
});

/** Pictures of one task or prompt. */
export const imagesSchema = z.array(imageSchema).max(MAX_IMAGES);

/** What a person sends to have an image kept. */
export const newImageSchema = z.strictObject({
  name: z.string().min(1).max(4096),
  base64: z.string().min(1),
});

/** A picture that goes with a task or a prompt. */
export type Image = z.infer<typeof imageSchema>;
/** Kind of a picture. */
export type ImageType = z.infer<typeof imageTypeSchema>;

function startsWith(bytes: Uint8Array, start: readonly number[], at = 0): boolean {
  return start.every((byte, index) => bytes[at + index] === byte);
}

const PNG = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const JPEG = [0xff, 0xd8, 0xff];
const GIF = [0x47, 0x49, 0x46, 0x38];
const RIFF = [0x52, 0x49, 0x46, 0x46];
const WEBP = [0x57, 0x45, 0x42, 0x50];

/** What kind of picture some bytes are, by how they begin and whatever the file is called; null when they are none. */
export function detectImageType(bytes: Uint8Array): ImageType | null {
  if (startsWith(bytes, PNG)) return "image/png";
  if (startsWith(bytes, JPEG)) return "image/jpeg";
  if (startsWith(bytes, GIF)) return "image/gif";
  return startsWith(bytes, RIFF) && startsWith(bytes, WEBP, 8) ? "image/webp" : null;
}
