import type { Image } from "@canopy/protocol";
import { CanopyError, answerSchemas, detectImageType, newImageSchema } from "@canopy/protocol";
import { z } from "zod";
import type { Route, RouteCall } from "../http/route.ts";
import { readParam, route } from "../http/route.ts";
import { projectRoomOf } from "./room-call.ts";

const PATH = "/projects/:project/images";
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/** Refuses images that are not kept here, before anything is written that needs them. */
export async function requireImages(call: RouteCall<unknown>, images: readonly Image[]): Promise<void> {
  for (const { imageId, mediaType, sizeBytes, name } of images) {
    const bytes = await call.ports.images.read(readParam(call, "project"), imageId);
    if (bytes.length !== sizeBytes || detectImageType(bytes) !== mediaType)
      throw new CanopyError("request.invalid", `${name} is not the image that is kept under its id`);
  }
}

function decode(name: string, base64: string): Uint8Array {
  if (BASE64.test(base64)) return Uint8Array.from(atob(base64), (char) => char.codePointAt(0) ?? 0);
  throw new CanopyError("request.invalid", `${name}: its content is not base64`);
}

/** Endpoints of the pictures that go with tasks and prompts. */
export const IMAGE_ROUTES: readonly Route[] = [
  route({
    method: "post",
    path: PATH,
    summary: "Keeps an image (PNG, JPEG, GIF or WebP), to be named by a task or a prompt",
    body: newImageSchema,
    response: answerSchemas.image,
    successStatus: 201,
    handle: async (call) => {
      projectRoomOf(call);
      const { name, base64 } = call.body;
      return { image: await call.ports.images.put(readParam(call, "project"), name, decode(name, base64)) };
    },
  }),
  route({
    method: "get",
    path: `${PATH}/:image`,
    summary: "The bytes of an image",
    response: z.unknown(),
    handle: async (call) => {
      const bytes = await call.ports.images.read(readParam(call, "project"), readParam(call, "image"));
      const type = detectImageType(bytes) ?? "application/octet-stream";
      return new Response(Uint8Array.from(bytes), {
        headers: { "content-type": type, "x-content-type-options": "nosniff" },
      });
    },
  }),
];
