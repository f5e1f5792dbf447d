import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { allowHost } from "./allow-host.ts";
import { CONFIG_PATH } from "./load-config.ts";

test.each([
  ["no file", null, '\n[sandbox]\nallow = ["a.test:8443"]\n'],
  ["no table", "[run]\nconcurrency = 2\n", '[run]\nconcurrency = 2\n\n[sandbox]\nallow = ["a.test:8443"]\n'],
  [
    "a table without the key",
    '[sandbox] # walls\nlevel = "process"\n[run]\nconcurrency = 2\n',
    '[sandbox] # walls\nallow = ["a.test:8443"]\nlevel = "process"\n[run]\nconcurrency = 2\n',
  ],
  [
    "a list",
    '[sandbox]\nallow = ["b.test"] # mine\n',
    '[sandbox]\nallow = ["a.test:8443", "b.test"] # mine\n',
  ],
  ["an empty list", "[sandbox]\nallow = []\n", '[sandbox]\nallow = ["a.test:8443"]\n'],
])("a host is added to a file with %s, once, and nothing else changes", async (_name, before, after) => {
  const folder = await mkdtemp(join(tmpdir(), "canopy-allow-"));
  try {
    await mkdir(join(folder, ".canopy"));
    if (before !== null) await writeFile(join(folder, CONFIG_PATH), before);
    expect(await allowHost(folder, "a.test:8443")).toBe(true);
    expect(await readFile(join(folder, CONFIG_PATH), "utf8")).toBe(after);
    expect(await allowHost(folder, "a.test:8443")).toBe(false);
    await expect(allowHost(folder, "http://a.test/")).rejects.toMatchObject({ code: "config.invalid" });
    expect(await readFile(join(folder, CONFIG_PATH), "utf8")).toBe(after);
  } finally {
    await rm(folder, { recursive: true });
  }
});
