import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { hashObject } from "./git-object.ts";
import { createTemporaryRepository } from "./temporary-repository.ts";

test("many reads at once come back in order, small and large, present and missing", async () => {
  await using fixture = await createTemporaryRepository();
  const { repository } = fixture;
  const contents = [Buffer.from(""), Buffer.from("a\nb\0c"), randomBytes(3_000_000), Buffer.from("last")];
  const ids = await Promise.all(contents.map((content) => repository.writeObject("blob", content)));
  const missing = "0".repeat(40);
  const names = [...ids, missing, ...ids, "no such name", "bad\nname"];
  const objects = await Promise.all(names.map((name) => repository.readObject(name)));
  // Comparing megabytes as values is slow in vitest; their hashes say the same.
  const seen = objects.map((object) => object && [object.kind, hashObject("sha1", "blob", object.content)]);
  const blobs = ids.map((id) => ["blob", id]);
  expect(seen).toEqual([...blobs, null, ...blobs, null, null]);
  expect(objects.map((object) => object?.objectId)).toEqual([
    ...ids,
    undefined,
    ...ids,
    undefined,
    undefined,
  ]);
});

test("objects written after the reader started are found", async () => {
  await using fixture = await createTemporaryRepository();
  await fixture.commitAll("first");
  expect((await fixture.repository.readObject("HEAD"))?.kind).toBe("commit");
  await fixture.write({ later: "x" });
  const commit = await fixture.commitAll("second");
  expect((await fixture.repository.readObject(commit))?.objectId).toBe(commit);
});
