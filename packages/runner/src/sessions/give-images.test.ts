import type { Image } from "@canopy/protocol";
import { CanopyError } from "@canopy/protocol";
import { expect, test } from "vitest";
import { giveImages } from "./give-images.ts";
import type { ImagePlaces } from "./give-images.ts";

const DOT: Image = { imageId: "a".repeat(64), name: "dot.png", mediaType: "image/png", sizeBytes: 3 };
const GONE: Image = { ...DOT, imageId: "b".repeat(64), name: "gone.png" };
const DOT_BASE64 = Buffer.from("dot").toString("base64");

function openPlaces(level: ImagePlaces["level"]): { places: ImagePlaces; written: [string, string][] } {
  const written: [string, string][] = [];
  return {
    written,
    places: {
      level,
      hosted: {
        readImage: ({ imageId, name, mediaType }) => {
          if (imageId === DOT.imageId) return Promise.resolve({ name, mediaType, base64: DOT_BASE64 });
          return Promise.reject(new CanopyError("thing.not-found", "it is not kept"));
        },
      },
      workspace: {
        path: "/w",
        writeFile: (path, content) => {
          written.push([path, Buffer.from(content ?? "").toString("utf8")]);
          return Promise.resolve();
        },
      },
    },
  };
}

test("an agent that takes images gets them with its prompt, and hears of those that are gone", async () => {
  const { places, written } = openPlaces(true);
  expect(await giveImages(places, { text: "look", images: [DOT, GONE] })).toEqual({
    text: "look\n\nThese images belonged to it and are not kept any more:\n- gone.png\n",
    images: [{ name: "dot.png", mediaType: "image/png", base64: DOT_BASE64 }],
  });
  expect(written).toEqual([]);
});

test("another finds them as files, outside of its work, by paths that its prompt names", async () => {
  const { places, written } = openPlaces("emulated");
  expect(await giveImages(places, { text: "look", images: [DOT] })).toEqual({
    text: "look\n\nThese images belong to it; look at the files:\n- /w/.canopy/images/aaaaaaaaaaaa.png\n",
    images: [],
  });
  expect(written).toEqual([[".canopy/images/aaaaaaaaaaaa.png", "dot"]]);
});

test("one that can do neither is not asked; without images nothing is changed", async () => {
  const { places } = openPlaces(false);
  await expect(giveImages(places, { text: "look", images: [DOT] })).rejects.toMatchObject({
    code: "agent.failed",
    message: expect.stringContaining("takes no images"),
  });
  expect(await giveImages(places, { text: "look", images: [] })).toEqual({ text: "look", images: [] });
});
