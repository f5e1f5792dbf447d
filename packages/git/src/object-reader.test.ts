import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { hashObject } from "./git-object.ts";
import { createTemporaryRepository } from "./temporary-repository.ts";

const execute = promisify(execFile);

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

test("an idle reader does not keep a program running, and one that closes it can wait for that", async () => {
  await using fixture = await createTemporaryRepository();
  await fixture.commitAll("first");
  const code = (ending: string): string => `
    import { openObjectReader } from ${JSON.stringify(join(import.meta.dirname, "object-reader.ts"))};
    const reader = openObjectReader(${JSON.stringify(fixture.repository.commonDir)});
    console.log((await reader.read("HEAD")).kind);
    ${ending}`;
  for (const ending of ["", "await reader[Symbol.asyncDispose](); console.log('closed');"]) {
    const child = await execute(process.execPath, ["--input-type=module", "-e", code(ending)], {
      timeout: 20_000,
    });
    expect(child.stdout).toBe(ending === "" ? "commit\n" : "commit\nclosed\n");
  }
});
