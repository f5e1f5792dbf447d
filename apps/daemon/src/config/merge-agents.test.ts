import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { loadConfig } from "./load-config.ts";
import { mergeAgents } from "./merge-agents.ts";

test("of one name the project's words count, key by key", () => {
  const own = { claude: { env: ["KEY"], model: "small" }, mine: { driver: "acp" as const, command: "mine" } };
  expect(mergeAgents(own, { claude: { model: "large" } })).toEqual({
    claude: { env: ["KEY"], model: "large" },
    mine: { driver: "acp", command: "mine" },
  });
});

test("a project that launches something else under a name does not get the keys that a person named for it", () => {
  const own = { claude: { env: ["KEY"], keychain: { OTHER: "a/b" }, login: true, model: "small" } };
  expect(mergeAgents(own, { claude: { command: "./evil.sh" } })).toEqual({
    claude: { command: "./evil.sh", model: "small" },
  });
});

test("a repository cannot ask for a person's login", async () => {
  const folder = await mkdtemp(join(tmpdir(), "canopy-agents-"));
  try {
    const env = { CANOPY_HOME: folder };
    await mkdir(join(folder, "config"));
    await writeFile(join(folder, "config", "agents.toml"), "[agents.claude]\nlogin = true\n");
    expect((await loadConfig(folder, env)).agents).toEqual({ claude: { login: true } });
    await mkdir(join(folder, ".canopy"));
    await writeFile(join(folder, ".canopy", "config.toml"), "[agents.codex]\nlogin = true\n");
    await expect(loadConfig(folder, env)).rejects.toMatchObject({
      code: "config.invalid",
      message: `${join(folder, ".canopy", "config.toml")}:2: agents.codex.login cannot be set by a repository`,
    });
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("a person's own agents come from a file of their own, which is checked as strictly", async () => {
  const folder = await mkdtemp(join(tmpdir(), "canopy-agents-"));
  try {
    const env = { CANOPY_HOME: folder };
    const file = join(folder, "config", "agents.toml");
    await mkdir(join(folder, "config"));
    await writeFile(
      file,
      '[agents.claude]\nenv = ["ANTHROPIC_API_KEY"]\n[agents.claude.keychain]\nX = "canopy/x"\n',
    );
    expect((await loadConfig(folder, env)).agents).toEqual({
      claude: { env: ["ANTHROPIC_API_KEY"], keychain: { X: "canopy/x" } },
    });
    await writeFile(file, '[agents.claude]\nenvironment = "x"\n');
    await expect(loadConfig(folder, env)).rejects.toMatchObject({
      code: "config.invalid",
      message: expect.stringContaining("agents.toml:2: unknown key 'agents.claude.environment'") as string,
    });
  } finally {
    await rm(folder, { recursive: true });
  }
});
