import type { RequestImage } from "./model-api.ts";
import { field, textField } from "./model-api.ts";

const MAX_DEPTH = 12;
const DATA_ADDRESS = /^data:([\w/+.-]+);base64,(.*)$/s;

function fromAddress(value: unknown): RequestImage | null {
  const match = typeof value === "string" ? DATA_ADDRESS.exec(value) : null;
  return match === null ? null : { mediaType: match[1] ?? "", base64: match[2] ?? "" };
}

function fromFields(value: unknown, typeName: string): RequestImage | null {
  const [mediaType, base64] = [textField(value, typeName), textField(value, "data")];
  return mediaType === "" || base64 === "" ? null : { mediaType, base64 };
}

/** The picture that one part of a message is, in the words of any of the four APIs. */
function readImage(part: object): RequestImage | null {
  const address = field(part, "image_url");
  return (
    fromFields(field(part, "source"), "media_type") ??
    fromFields(field(part, "inlineData"), "mimeType") ??
    fromAddress(address) ??
    fromAddress(field(address, "url"))
  );
}

/** All pictures in a part of a request, in order. */
export function findImages(value: unknown, depth = 0): RequestImage[] {
  if (typeof value !== "object" || value === null || depth > MAX_DEPTH) return [];
  const image = readImage(value);
  if (image !== null) return [image];
  return Object.values(value).flatMap((item) => findImages(item, depth + 1));
}
