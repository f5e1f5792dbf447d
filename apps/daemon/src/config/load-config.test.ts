import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { isCanopyError } from "@canopy/protocol";
import { loadConfig, parseConfig } from "./load-config.ts";

function failure(text: string): { code: string; message: string } {
  try {
    parseConfig(text, "config.toml");
  } catch (error) {
    if (isCanopyError(error)) return { code: error.code, message: error.message };
    throw error;
  }
  throw new Error("expected an error");
}

test("an empty file gives every default", () => {
  const config = parseConfig("", "config.toml");
  expect(config.run).toEqual({ concurrency: 4, max_retries: 3, timeout: 1_800_000, warm: true });
  expect(config.rules.exclude_labels).toEqual(["needs-*"]);
});

test("a table that is given keeps the defaults of what it leaves out, and 0 means 0", () => {
  const config = parseConfig(
    '[run]\nmax_retries = 0\n[retries.crash]\nlimit = 0\ndelay = "90s"\n',
    "config.toml",
  );
  expect(config.run).toEqual({ concurrency: 4, max_retries: 0, timeout: 1_800_000, warm: true });
  expect(config.retries.crash).toEqual({ limit: 0, delay: 90_000, max_delay: 600_000 });
});

test("an unknown key is named with its line", () => {
  expect(failure('# first\n[run]\nagent = "claude"\nconcurency = 3\n')).toEqual({
    code: "config.invalid",
    message: "config.toml:4: unknown key 'run.concurency'",
  });
});

test("a bad value is named with its line and what it should be", () => {
  expect(failure("[rules]\n\npriority_max = 9\n").message).toMatch(
    /^config\.toml:3: rules\.priority_max: .*4/,
  );
  expect(failure('[run]\ntimeout = "soon"\n').message).toContain(
    "config.toml:2: run.timeout: 'soon' is not a duration",
  );
});

test("broken syntax is named with line and column", () => {
  expect(failure("[run\nx = 1\n").message).toMatch(/^config\.toml:1:\d+: /);
});

test("an older validation.toml counts where config.toml says nothing of validation, and is checked as strictly", async () => {
  const folder = await mkdtemp(join(tmpdir(), "canopy-config-"));
  try {
    await mkdir(join(folder, ".canopy"));
    const file = join(folder, ".canopy", "validation.toml");
    const step = '[[validation.steps]]\nname = "test"\ncommand = "npm test"\ntimeout = "90s"\n';
    await writeFile(file, `[validation]\nenabled = true\nstrict = true\n${step}`);
    const read = (await loadConfig(folder)).validation;
    expect(read).toEqual({
      enabled: true,
      mode: "strict",
      timeout: 300_000,
      max_repair_attempts: 3,
      steps: [{ name: "test", command: "npm test", timeout: 90_000, required: true, scopes: [] }],
    });
    await writeFile(file, `[validation]\nenabled = true\n${step}`);
    expect((await loadConfig(folder)).validation).toMatchObject({
      mode: "lenient",
      steps: [{ required: false }],
    });
    await writeFile(file, "[validation]\nstrikt = true\n");
    await expect(loadConfig(folder)).rejects.toMatchObject({
      code: "config.invalid",
      message: expect.stringContaining("validation.toml:2: unknown key 'validation.strikt'"),
    });
    await writeFile(join(folder, ".canopy", "config.toml"), "[validation]\nenabled = false\n");
    expect((await loadConfig(folder)).validation).toMatchObject({ enabled: false, steps: [] });
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("an older sandbox.toml counts where config.toml leaves the key out, and is checked as strictly", async () => {
  const folder = await mkdtemp(join(tmpdir(), "canopy-config-"));
  try {
    await mkdir(join(folder, ".canopy"));
    const file = join(folder, ".canopy", "sandbox.toml");
    const defaults = (await loadConfig(folder)).sandbox;
    await writeFile(file, "");
    expect((await loadConfig(folder)).sandbox).toEqual(defaults);
    await writeFile(
      file,
      `[sandbox]
enabled = true
network = "deny"
[resources]
max_memory = "4GB"
max_processes = 100
max_disk = "10GB"
timeout = "10m"
[paths]
read_only = ["~/tools"]
copy_configs = ["~/.gitconfig"]
cache_mounts = ["~/.cache/x"]
[paths.extra]
read_only = ["/opt/more"]
[security]
blocked = ["ssh", "~/private"]
`,
    );
    const read = {
      ...defaults,
      network: "deny",
      read_only: ["~/tools", "/opt/more"],
      copy_configs: ["~/.gitconfig"],
      cache_mounts: ["~/.cache/x"],
      block: ["~/private"],
      limits: { memory: 4 * 2 ** 30, processes: 100, disk: 10 * 2 ** 30, time: 600_000 },
    };
    expect((await loadConfig(folder)).sandbox).toEqual(read);
    await writeFile(
      join(folder, ".canopy", "config.toml"),
      '[sandbox]\nnetwork = "allowlist"\nallow = ["a.test"]\n',
    );
    expect((await loadConfig(folder)).sandbox).toEqual({ ...read, network: "allowlist", allow: ["a.test"] });
    await writeFile(file, "[sandbox]\nenabled = false\n");
    expect((await loadConfig(folder)).sandbox.level).toBe("process");
    for (const [text, message] of [
      ['[resources]\nmax_memory = "much"\n', "sandbox.toml:2: resources.max_memory: 'much' is not a size"],
      ["[sandbox]\nenabeld = true\n", "sandbox.toml:2: unknown key 'sandbox.enabeld'"],
      ['[paths]\nread_only = ["relative"]\n', "sandbox.toml: read_only.0: an absolute path"],
    ] as const) {
      await writeFile(file, text);
      await expect(loadConfig(folder)).rejects.toMatchObject({
        code: "config.invalid",
        message: expect.stringContaining(message),
      });
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});
