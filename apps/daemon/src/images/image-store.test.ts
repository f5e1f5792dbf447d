import { mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MAX_IMAGE_BYTES } from "@canopy/protocol";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openImageStore } from "./image-store.ts";
import { usedImages } from "./used-images.ts";

const DAY_MS = 86_400_000;
const GIF = Buffer.from("GIF89a and then some");
let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "canopy-images-"));
});
afterEach(() => rm(directory, { recursive: true }));

test("a picture is kept once, by its content, under the name it came with and no folder of it", async () => {
  const store = openImageStore(directory);
  const first = await store.put("prj_one", "../../etc/a.gif", GIF);
  const again = await store.put("prj_one", "b.gif", GIF);
  expect(first).toEqual({ imageId: first.imageId, name: "a.gif", mediaType: "image/gif", sizeBytes: 20 });
  expect(again).toEqual({ ...first, name: "b.gif" });
  expect(Buffer.from(await store.read("prj_one", first.imageId))).toEqual(GIF);
  expect((await readdir(directory, { recursive: true })).toSorted()).toEqual([
    "v1",
    "v1/prj_one",
    `v1/prj_one/${first.imageId}`,
  ]);
  await expect(store.read("prj_two", first.imageId)).rejects.toMatchObject({ code: "thing.not-found" });
});

test.each([
  ["text", Buffer.from("hello"), "request.invalid", /a\.png is no image/],
  ["an svg", Buffer.from("<svg></svg>"), "request.invalid", /neither PNG, JPEG, GIF nor WebP/],
  [
    "too much",
    Buffer.concat([GIF, Buffer.alloc(MAX_IMAGE_BYTES)]),
    "request.too-large",
    /has 3\.76 MiB; an image may have 3\.75 MiB/,
  ],
])("refuses %s and keeps nothing", async (_what, bytes, code, message) => {
  const store = openImageStore(directory);
  await expect(store.put("prj_one", "a.png", bytes)).rejects.toMatchObject({
    code,
    message: expect.stringMatching(message),
  });
  expect(await readdir(directory)).toEqual([]);
});

test("what was changed on disk is not there any more", async () => {
  const store = openImageStore(directory);
  const { imageId } = await store.put("prj_one", "a.gif", GIF);
  await writeFile(join(directory, "v1", "prj_one", imageId), "GIF89a other");
  await expect(store.read("prj_one", imageId)).rejects.toMatchObject({ code: "thing.not-found" });
});

test("what nothing needs goes after a day; a project that is forgotten leaves nothing", async () => {
  const store = openImageStore(directory);
  const nowMs = Date.now();
  const old = new Date(nowMs - 2 * DAY_MS);
  const ids: Record<string, string> = {};
  for (const name of ["kept", "unused", "fresh"]) {
    const { imageId } = await store.put("prj_one", name, Buffer.from(`GIF89a ${name}`));
    ids[name] = imageId;
    if (name !== "fresh") await utimes(join(directory, "v1", "prj_one", imageId), old, old);
  }
  expect(await store.expire("prj_one", new Set([ids["kept"] ?? ""]), nowMs)).toBe(1);
  expect((await readdir(join(directory, "v1", "prj_one"))).toSorted()).toEqual(
    [ids["kept"] ?? "", ids["fresh"] ?? ""].toSorted(),
  );
  await store.forget("prj_one");
  expect(await readdir(join(directory, "v1"))).toEqual([]);
});

test("images of open tasks are needed; those of closed ones and of prompts for as long as kept work is", () => {
  const image = (
    imageId: string,
  ): { images: { imageId: string; name: string; mediaType: "image/png"; sizeBytes: number }[] } => ({
    images: [{ imageId, name: "n", mediaType: "image/png", sizeBytes: 1 }],
  });
  const used = usedImages(
    {
      tasks: [
        { ...image("open"), closedAtMs: null },
        { ...image("closed just now"), closedAtMs: 90 },
        { ...image("closed long ago"), closedAtMs: 10 },
        { closedAtMs: null },
      ],
      prompts: [
        { ...image("asked just now"), atMs: 95 },
        { ...image("asked long ago"), atMs: 1 },
      ],
    },
    100,
    20,
  );
  expect([...used]).toEqual(["open", "closed just now", "asked just now"]);
});
