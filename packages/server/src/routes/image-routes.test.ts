import { CanopyError } from "@canopy/protocol";
import type { Image } from "@canopy/protocol";
import { expect, test } from "vitest";
import { openTestServer } from "../contract/open-test-server.ts";
import type { TestServer } from "../contract/open-test-server.ts";

const GIF = new TextEncoder().encode("GIF89a and then some");
const IMAGE: Image = {
  imageId: "a".repeat(64),
  name: "a.gif",
  mediaType: "image/gif",
  sizeBytes: GIF.length,
};

function openServer(): TestServer {
  const kept = new Map<string, Uint8Array>();
  return openTestServer({
    images: {
      put: (_projectId, name, bytes) => {
        kept.set(IMAGE.imageId, bytes);
        return Promise.resolve({ ...IMAGE, name });
      },
      read: (_projectId, imageId) => {
        const bytes = kept.get(imageId);
        if (bytes !== undefined) return Promise.resolve(bytes);
        return Promise.reject(new CanopyError("thing.not-found", `image ${imageId} is not kept here`));
      },
    },
  });
}

const PROJECT = "/api/v1/projects/prj_web";

test("an image is kept before a task may name it, and comes back as it was", async () => {
  using server = openServer();
  const task = { title: "With a picture", images: [IMAGE] };
  expect((await server.request("POST", `${PROJECT}/tasks`, task)).status).toBe(404);
  const sent = { name: "a.gif", base64: Buffer.from(GIF).toString("base64") };
  const put = await server.request("POST", `${PROJECT}/images`, sent);
  expect([put.status, await put.json()]).toEqual([201, { image: IMAGE }]);
  const added = await server.request("POST", `${PROJECT}/tasks`, task);
  expect([added.status, await added.json()]).toMatchObject([201, { task: { images: [IMAGE] } }]);
  const got = await server.request("GET", `${PROJECT}/images/${IMAGE.imageId}`);
  expect([got.headers.get("content-type"), new Uint8Array(await got.arrayBuffer())]).toEqual([
    "image/gif",
    GIF,
  ]);
});

test("what is not base64, and what is said of an image but not so, is refused", async () => {
  using server = openServer();
  const broken = await server.request("POST", `${PROJECT}/images`, { name: "a.gif", base64: "not base64!" });
  expect(broken.status).toBe(400);
  await server.request("POST", `${PROJECT}/images`, {
    name: "a.gif",
    base64: Buffer.from(GIF).toString("base64"),
  });
  const lie = { title: "A lie", images: [{ ...IMAGE, mediaType: "image/png" }] };
  expect((await server.request("POST", `${PROJECT}/tasks`, lie)).status).toBe(400);
  expect(await server.ask("GET", "/projects/prj_web/tasks")).toEqual({ tasks: [] });
});
