import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { installShim } from "./install-shim.ts";

test("the shim is made once, answers as bd, and never takes another program's place", async () => {
  const folder = await mkdtemp(join(tmpdir(), "canopy-shim-"));
  try {
    const path = join(folder, "bin", "bd");
    expect(await installShim(join(folder, "bin"))).toEqual({ path, isNew: true });
    expect(await installShim(join(folder, "bin"))).toEqual({ path, isNew: false });
    expect(execFileSync(path, ["version"], { encoding: "utf8" })).toMatch(/^bd version .*\(canopy\)\n$/);
    await writeFile(join(folder, "bd"), "#!/bin/sh\n");
    await expect(installShim(folder)).rejects.toMatchObject({ code: "conflict" });
    expect(await readFile(join(folder, "bd"), "utf8")).toBe("#!/bin/sh\n");
  } finally {
    await rm(folder, { recursive: true });
  }
});
