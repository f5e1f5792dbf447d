import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { resolveAgent } from "@canopy/agents";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readAgentEnvironment } from "./agent-environment.ts";
import { readKeychain } from "./read-keychain.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "canopy-keychain-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

/** A keychain with one secret, as `secret-tool` would answer. */
async function installKeychain(): Promise<Record<string, string>> {
  const program = join(folder, "secret-tool");
  await writeFile(program, '#!/bin/sh\n[ "$*" = "lookup service canopy account claude" ] && echo s3cret\n');
  await chmod(program, 0o755);
  return { PATH: `${folder}:/usr/bin:/bin` };
}

test.skipIf(process.platform !== "linux")(
  "a secret comes from the system's keychain, or an error says that it is not there",
  async () => {
    const environment = await installKeychain();
    expect(await readKeychain("canopy/claude", environment)).toBe("s3cret");
    await expect(readKeychain("canopy/other", environment)).rejects.toMatchObject({ code: "config.invalid" });
    await expect(readKeychain("canopy/claude", { PATH: join(folder, "empty") })).rejects.toMatchObject({
      code: "config.invalid",
      hint: expect.stringContaining("install secret-tool") as string,
    });
  },
);

test.skipIf(process.platform !== "linux")(
  "an agent sees what a person named, and nothing else, not even its usual key",
  async () => {
    const environment = {
      ...(await installKeychain()),
      ANTHROPIC_API_KEY: "sk-usual",
      MINE: "m",
      OTHER: "o",
    };
    const plain = resolveAgent("claude", {}, folder);
    expect(await readAgentEnvironment(plain, environment)).toEqual({});
    const named = resolveAgent(
      "claude",
      { claude: { env: ["MINE", "ABSENT"], keychain: { ANTHROPIC_API_KEY: "canopy/claude" } } },
      folder,
    );
    expect(await readAgentEnvironment(named, environment)).toEqual({
      MINE: "m",
      ANTHROPIC_API_KEY: "s3cret",
    });
  },
);
