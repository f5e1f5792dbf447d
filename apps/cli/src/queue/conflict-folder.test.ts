import { mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ChangeConflict, ConflictDetail } from "@canopy/protocol";
import { changeConflictSchema } from "@canopy/protocol";
import { afterEach, beforeEach, expect, test } from "vitest";
import { layOutConflict, readConflictFolder } from "./conflict-folder.ts";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "canopy-folder-"));
});
afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

function file(path: string, more: Partial<ConflictDetail> = {}): ConflictDetail {
  const version = { mode: "100644", sizeBytes: 1, isBinary: false, text: "v\n", isCut: false };
  return {
    path,
    kind: "content",
    base: version,
    ours: version,
    theirs: null,
    renamedFrom: null,
    relatedPaths: [],
    merged: { content: "<<<<<<<\n", encoding: "utf8", mode: "100644" },
    ...more,
  };
}

function conflictOf(files: readonly ConflictDetail[]): ChangeConflict {
  return changeConflictSchema.parse({
    changeId: "chg_1",
    tip: "t",
    commit: "c",
    isConflicted: true,
    files,
    messages: [],
    intent: { taskId: "tsk_1", title: "", description: "", summary: "" },
    landed: [],
  });
}

test("files are laid out with their versions, edited, removed and read back with bytes and modes", async () => {
  const binary = Buffer.from([0, 255, 254]);
  const conflict = conflictOf([
    file("src/a.txt"),
    file("gone.txt"),
    file("run.sh", { merged: { content: "x", encoding: "utf8", mode: "100755" } }),
    file("pic.png", { kind: "binary", merged: { content: binary.toString("base64"), encoding: "base64" } }),
    file("link", { merged: { content: "target", encoding: "utf8", mode: "120000" } }),
    file("never", { kind: "submodule", merged: null }),
    file("deleted", { kind: "modify/delete", merged: null }),
  ]);
  const folder = join(root, "new");
  expect(await layOutConflict(folder, conflict)).toHaveLength(7);
  expect(await readFile(join(folder, ".canopy-conflict/ours/src/a.txt"), "utf8")).toBe("v\n");
  await writeFile(join(folder, "src/a.txt"), "done\n");
  await rm(join(folder, "gone.txt"));
  const { tip, choices } = await readConflictFolder(folder, "chg_1");
  expect(tip).toBe("t");
  expect(choices).toEqual({
    "src/a.txt": { content: "done\n", encoding: "utf8", mode: "100644" },
    "gone.txt": { delete: true },
    "run.sh": { content: "x", encoding: "utf8", mode: "100755" },
    "pic.png": { content: binary.toString("base64"), encoding: "base64", mode: "100644" },
    link: { content: "target", encoding: "utf8", mode: "120000" },
    deleted: { delete: true },
  });
});

test("nothing is laid out over other files, and no path leads out of the folder", async () => {
  await writeFile(join(root, "mine"), "");
  await expect(layOutConflict(root, conflictOf([file("a")]))).rejects.toThrow("is not empty");
  for (const path of ["../out", "/etc/passwd", ".canopy-conflict/conflict.json"])
    await expect(layOutConflict(join(root, "x"), conflictOf([file(path)])), path).rejects.toThrow(
      "no folder can hold",
    );
});

test("another change's folder, a folder without a conflict and links in it are refused", async () => {
  const folder = join(root, "new");
  await layOutConflict(folder, conflictOf([file("a")]));
  await expect(readConflictFolder(folder, "chg_2")).rejects.toThrow("holds the conflict of chg_1");
  await expect(readConflictFolder(root, "chg_1")).rejects.toThrow("no conflict was laid out");
  await rm(join(folder, "a"));
  await symlink("/etc/passwd", join(folder, "a"));
  await expect(readConflictFolder(folder, "chg_1")).rejects.toThrow("no ordinary file");
});
