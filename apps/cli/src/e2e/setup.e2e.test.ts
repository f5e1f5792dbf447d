import { chmod, lstat, mkdir, readFile, readdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createTestRepository, userGit } from "./create-test-repository.ts";
import { NOTHING_LEFT } from "./find-leftovers.ts";
import { openTestHome, parseJson } from "./open-test-home.ts";
import type { CliOptions, CliResult, TestHome } from "./open-test-home.ts";

interface Report {
  readonly changes: readonly { readonly agent: string; readonly path: string; readonly change: string }[];
  readonly notes: readonly string[];
}

/** Configuration as people have it: comments, tabs, other hooks, no line end, a mark of byte order, a link into a folder of dotfiles. */
const ODD_FILES: Readonly<Record<string, string>> = {
  ".claude/settings.json":
    '{\n\t"model": "opus", // the big one\n\t"hooks": {\n\t\t/* mine */\n\t\t"Stop": [ { "hooks": [ { "type": "command", "command": "say done" }, ], }, ],\n\t},\n}',
  ".codex/hooks.json":
    '{"hooks":{"PreToolUse":[{"matcher":"Bash","hooks":[{"type":"command","command":"guard"}]}]}}\n',
  ".codex/config.toml": "model = 'x'\n",
  "dotfiles/gemini.json": '\uFEFF{\r\n    "hooks": {},\r\n    "ui": { "theme": "x" }\r\n}\r\n\r\n',
  ".cursor/hooks.json": '{ "version": 1,\n  "hooks": {\n    "stop": []\n  }\n}\n',
  ".config/opencode/opencode.jsonc": "{}\n",
};

let home: TestHome;
let repository: string;

async function snapshot(): Promise<Record<string, string>> {
  const root = home.env["HOME"] ?? "";
  const found: Record<string, string> = {};
  for (const entry of await readdir(root, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name);
    const mode = ((await lstat(path)).mode & 0o7777).toString(8);
    const content = entry.isFile() ? (await readFile(path)).toString("base64") : "";
    found[path.slice(root.length)] = `${mode} ${content}`;
  }
  for (const name of await readdir(join(repository, ".git/hooks")))
    if (!name.endsWith(".sample")) found[name] = await readFile(join(repository, ".git/hooks", name), "utf8");
  return found;
}

function inRepository(env: Readonly<Record<string, string>> = {}): CliOptions {
  return {
    cwd: repository,
    env: { PATH: `${home.root}/bin:${home.env["PATH"] ?? ""}`, CANOPY_PORT: "7799", ...env },
  };
}

function setup(...args: string[]): Promise<CliResult> {
  return home.canopy(["setup", ...args], inRepository());
}

async function program(name: string, prints: string): Promise<void> {
  const path = join(home.root, "bin", name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `#!/bin/sh\necho '${prints}'\n`);
  await chmod(path, 0o755);
}

describe("canopy setup", () => {
  beforeAll(async () => {
    home = await openTestHome();
    repository = join(home.root, "work");
    await createTestRepository(repository);
    await program("claude", "2.1.328 (Claude Code)");
    await program("codex", "codex-cli 0.169.0");
  });
  afterAll(async () => {
    const left = await home.shutDown();
    await home[Symbol.asyncDispose]();
    expect(left).toEqual(NOTHING_LEFT);
  });

  beforeEach(async () => {
    const root = home.env["HOME"] ?? "";
    for (const [name, content] of Object.entries(ODD_FILES)) {
      await mkdir(dirname(join(root, name)), { recursive: true });
      await writeFile(join(root, name), content);
    }
    await mkdir(join(root, ".gemini"), { recursive: true });
    await symlink(join(root, "dotfiles/gemini.json"), join(root, ".gemini/settings.json")).catch(
      () => undefined,
    );
    await writeFile(join(repository, ".git/hooks/pre-commit"), "#!/bin/sh\nexit 0\n", { mode: 0o755 });
  });

  test("[N27] all: a dry run changes nothing; twice is once; out again restores every byte", async () => {
    const before = await snapshot();
    const dry = await setup("all", "--dry-run");
    expect([dry.code, dry.stdout.includes('+\t\t"PreToolUse"'), dry.stdout.includes("rename ")]).toEqual([
      0,
      true,
      true,
    ]);
    expect([await snapshot(), dry.stdout.includes("Bearer [hook token]")]).toEqual([before, true]);

    const first = parseJson<Report>((await setup("all", "--json")).stdout);
    expect(new Set(first.changes.map(({ agent }) => agent))).toEqual(
      new Set(["claude", "codex", "gemini", "cursor", "opencode", "git"]),
    );
    expect(first.notes.some((note) => note.includes("/hooks in codex"))).toBe(true);
    const installed = await snapshot();
    const second = await setup("all");
    expect([second.code, second.stdout, await snapshot()]).toEqual([0, "all is set up already\n", installed]);
    expect((await setup("all", "--check")).code).toBe(0);

    const root = home.env["HOME"] ?? "";
    const claude = await readFile(join(root, ".claude/settings.json"), "utf8");
    expect(claude).toContain('"model": "opus", // the big one\n\t"hooks": {\n\t\t/* mine */\n');
    expect(claude).toContain('"command": "say done"');
    expect(claude).toContain("http://127.0.0.1:7799/hooks/claude?event=PreToolUse&by=canopy");
    expect((await lstat(join(root, ".gemini/settings.json"))).isSymbolicLink()).toBe(true);

    expect((await setup("all", "--uninstall")).code).toBe(0);
    expect(await snapshot()).toEqual(before);
    expect((await setup("all", "--uninstall")).stdout).toBe("nothing was set up\n");
    expect((await setup("all", "--check")).code).toBe(1);
  });

  test("an agent of an old version gets commands, and http hooks once it is newer", async () => {
    const root = home.env["HOME"] ?? "";
    const read = (): Promise<string> => readFile(join(root, ".claude/settings.json"), "utf8");
    await program("claude", "2.1.10 (Claude Code)");
    await setup("claude");
    const old = await read();
    expect([old.includes('"http"'), old.includes("PostToolBatch"), old.includes("canopy-hook")]).toEqual([
      false,
      false,
      true,
    ]);
    await program("claude", "2.1.328 (Claude Code)");
    const check = await setup("claude", "--check");
    expect([check.code, check.stdout.includes(`claude: outdated ${root}/.claude/settings.json`)]).toEqual([
      1,
      true,
    ]);
    await setup("claude");
    expect((await read()).match(/"type": "http"/g)?.length).toBe(12);
    await setup("claude", "--uninstall");
    expect(await read()).toBe(ODD_FILES[".claude/settings.json"]);
  });

  test("a port that changes with every start gets no http hooks", async () => {
    const root = home.env["HOME"] ?? "";
    await home.canopy(["setup", "claude"], inRepository({ CANOPY_PORT: "0" }));
    const text = await readFile(join(root, ".claude/settings.json"), "utf8");
    expect([text.includes('"http"'), text.includes("PostToolBatch")]).toEqual([false, true]);
    await setup("claude", "--uninstall");
  });

  test("a project's files are for others too: no token, no path of this home, and gone again", async () => {
    const status = async (): Promise<string> => (await userGit(repository, "status", "--porcelain")).trim();
    await setup("claude", "--project");
    await setup("cursor", "--project");
    expect(await status()).toBe("?? .claude/\n?? .cursor/\n?? .mcp.json");
    const text = await readFile(join(repository, ".claude/settings.json"), "utf8");
    expect([text.includes("Bearer"), text.includes(home.root), text.includes("canopy-hook")]).toEqual([
      false,
      false,
      true,
    ]);
    await setup("claude", "--project", "--uninstall");
    await setup("cursor", "--project", "--uninstall");
    expect(await status()).toBe("");
  });

  test("what cannot be read is refused by name; with all, the others are set up", async () => {
    const root = home.env["HOME"] ?? "";
    await writeFile(join(root, ".codex/hooks.json"), "{ not json");
    const refused = await setup("codex");
    expect([refused.code, refused.stdout]).toEqual([2, ""]);
    expect(refused.stderr).toContain(`${root}/.codex/hooks.json cannot be read as JSON`);
    expect(await readFile(join(root, ".codex/hooks.json"), "utf8")).toBe("{ not json");
    const all = await setup("all");
    expect([
      all.code,
      all.stdout.includes("codex: unreadable"),
      all.stdout.includes("cursor: changed"),
    ]).toEqual([1, true, true]);
    expect((await setup("all", "--uninstall")).code).toBe(1);
  });

  test("wrong words and places", async () => {
    expect((await setup("emacs")).code).toBe(2);
    expect((await setup("claude", "--user", "--project")).code).toBe(2);
    const outside = { ...inRepository(), cwd: home.root };
    expect((await home.canopy(["setup", "git"], outside)).code).toBe(2);
    expect((await home.canopy(["setup", "claude", "--project"], outside)).code).toBe(2);
    expect((await home.canopy(["setup", "claude"], inRepository({ CANOPY_PORT: "x" }))).code).toBe(2);
  });
});
