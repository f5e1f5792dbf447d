import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readInstructions } from "./read-instructions.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "canopy-instructions-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

test("an agent is told what it does not read by itself, and the same text once", async () => {
  expect(await readInstructions(folder, [])).toBe(null);
  await writeFile(join(folder, "AGENTS.md"), "Use tabs.\n");
  expect(await readInstructions(folder, ["AGENTS.md"])).toBe(null);
  expect(await readInstructions(folder, ["CLAUDE.md"])).toBe(
    "The repository's AGENTS.md, which you follow:\n\nUse tabs.",
  );
  await writeFile(join(folder, "CLAUDE.md"), "Use tabs.\n");
  expect(await readInstructions(folder, ["CLAUDE.md"])).toBe(null);
  expect(await readInstructions(folder, [])).toBe(
    "The repository's AGENTS.md, which you follow:\n\nUse tabs.",
  );
});

test("a link is not followed, and a long file is cut", async () => {
  await writeFile(join(folder, "secret"), "secret");
  await symlink(join(folder, "secret"), join(folder, "AGENTS.md"));
  expect(await readInstructions(folder, [])).toBe(null);
  await writeFile(join(folder, "CLAUDE.md"), "x".repeat(40_000));
  const text = await readInstructions(folder, []);
  expect([text?.length, text?.endsWith("[cut: read the file for the rest]")]).toEqual([32_849, true]);
});
