import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isCanopyError } from "@canopy/protocol";
import { afterEach, beforeEach, expect, test } from "vitest";
import { requireExecutable } from "./find-executable.ts";

let base = "";
let root = "";

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), "canopy-find-"));
  root = join(base, "root");
  await mkdir(join(root, "bin"), { recursive: true });
  await mkdir(join(base, "outside"));
  await writeFile(join(base, "outside/tool"), "#!/bin/sh\n", { mode: 0o755 });
});

afterEach(async () => {
  await rm(base, { recursive: true });
});

/** The hint of what it throws, or "found". */
async function find(program: string, from = root): Promise<string> {
  try {
    await requireExecutable({ program, path: "/nowhere:/bin", cwd: "/", root: from });
    return "found";
  } catch (error) {
    return isCanopyError(error) ? `${error.code}: ${error.hint}` : String(error);
  }
}

test("a link is followed below the root, and one that leads out of it is told", async () => {
  await writeFile(join(root, "bin/plain"), "#!/bin/sh\n", { mode: 0o755 });
  await writeFile(join(root, "bin/text"), "no program", { mode: 0o644 });
  await symlink("/bin/plain", join(root, "bin/absolute"));
  await symlink("plain", join(root, "bin/relative"));
  await symlink("absolute", join(root, "bin/chain"));
  await symlink(join(base, "outside/tool"), join(root, "bin/outside"));
  await symlink("loop", join(root, "bin/loop"));
  const names = ["plain", "absolute", "relative", "chain", "outside", "text", "loop", "missing"];
  const missing = "agent.not-found: Install it, or name it by its full path.";
  expect(await Promise.all(names.map((name) => find(name)))).toEqual([
    "found",
    "found",
    "found",
    "found",
    `agent.not-found: Show it: [sandbox] read_only = [${JSON.stringify(join(base, "outside"))}]`,
    missing,
    missing,
    missing,
  ]);
  expect(await find(join(root, "bin/outside"), "")).toBe("found");
});
