import { once } from "node:events";
import { createServer } from "node:http";
import { chmod, mkdir, mkdtemp, readFile, realpath, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openWorkspaceStore } from "../open-workspace-store.ts";
import { removeTree } from "../remove-tree.ts";
import type { WorkspaceStore } from "../workspace-store.ts";
import type { Workspace } from "../workspace.ts";
import { PROCESS_SETTINGS } from "./sandbox-settings.ts";
import type { SandboxSettings } from "./sandbox-settings.ts";

let base = "";
let home = "";
let store: WorkspaceStore;
let count = 0;
const realHome = process.env["HOME"];

async function put(path: string, text: string): Promise<void> {
  await mkdir(dirname(join(home, path)), { recursive: true });
  await writeFile(join(home, path), text);
}

beforeAll(async () => {
  base = await realpath(await mkdtemp(join(tmpdir(), "canopy-files-")));
  home = join(base, "home");
  process.env["HOME"] = home;
  await put(".npm/_cacache/entry", "cached");
  await put(".npm/_logs/log", "private");
  await put("shared/file", "shared");
  await put(".gitconfig", "[user]\n");
  await put(".config/pip/pip.conf", "[global]\n");
  await put(".config/gh/hosts.yml", "token");
  await put(".npmrc", "token");
  await put("tools/program", "program");
  await put("tools/keys/key", "key");
  await symlink(join(home, ".npmrc"), join(home, ".config", "link"));
  await symlink(join(home, ".npmrc"), join(home, ".innocent"));
  store = await openWorkspaceStore({
    cacheDirectory: join(base, "cache"),
    privateDirectories: [join(base, "state")],
  });
});

afterAll(async () => {
  process.env["HOME"] = realHome;
  await store[Symbol.asyncDispose]();
  await removeTree(base);
});

async function create(settings: Partial<SandboxSettings>): Promise<Workspace> {
  count += 1;
  return await store.createWorkspace({
    workspaceId: `files-${count}`,
    project: { projectId: "prj_files", name: "files" },
    source: { commit: "c", populate: (directory) => writeFile(join(directory, "file"), "x") },
    sandbox: { ...PROCESS_SETTINGS, level: "sandbox", network: "deny", ...settings },
  });
}

/** What a script prints, line by line. */
async function ask(workspace: Workspace, script: string): Promise<string[]> {
  const handle = await workspace.spawn(["sh", "-c", script], { env: workspace.env });
  handle.endInput();
  let output = "";
  const drain = async (): Promise<void> => {
    for await (const _chunk of handle.stderr);
  };
  const draining = drain();
  for await (const chunk of handle.stdout) output += Buffer.from(chunk).toString("utf8");
  await draining;
  await handle.exited;
  return output.trim().split("\n");
}

test("caches of tools are seen where tools look, and nobody else gets what is written there", async () => {
  await using workspace = await create({ hasToolCaches: true });
  expect(
    await ask(
      workspace,
      'cat "$HOME/.npm/_cacache/entry"; echo; echo spoilt > "$HOME/.npm/_cacache/entry"; cat "$HOME/.npm/_cacache/entry"; ls -A "$HOME/.npm"',
    ),
  ).toEqual(["cached", "spoilt", "_cacache"]);
  expect(await readFile(join(home, ".npm/_cacache/entry"), "utf8")).toBe("cached");
  await using without = await create({});
  expect(await ask(without, 'ls -A "$HOME"')).toEqual([""]);
});

test("a cache that is named is seen as it is, at both places, and is written to", async () => {
  await using workspace = await create({ caches: ["~/shared"], hasToolCaches: true });
  expect(
    await ask(workspace, `cat "$HOME/shared/file" ${home}/shared/file; echo mine > "$HOME/shared/written"`),
  ).toEqual(["sharedshared"]);
  expect(await readFile(join(home, "shared/written"), "utf8")).toBe("mine\n");
});

test.each(["sandbox", "process"] as const)(
  "settings are copied into HOME, but nothing that is blocked, at level %s",
  async (level) => {
    const copyConfigs = ["~/.gitconfig", "~/.config", "~/.not-there"];
    await using workspace = await create({ level, copyConfigs });
    expect(
      await ask(workspace, 'cd "$HOME" && find . -type f -o -type l | sort; echo x >> .gitconfig'),
    ).toEqual(["./.config/pip/pip.conf", "./.gitconfig"]);
    expect(await readFile(join(home, ".gitconfig"), "utf8")).toBe("[user]\n");
    for (const path of ["~/.npmrc", "~/.innocent", "/etc/hostname", "~"])
      await expect(create({ level, copyConfigs: [path] }), path).rejects.toMatchObject({
        code: "config.invalid",
      });
    await using permitted = await create({ level, copyConfigs: ["~/.npmrc"], permit: ["~/.npmrc"] });
    expect(await ask(permitted, 'cat "$HOME/.npmrc"')).toEqual(["token"]);
  },
);

test("what is blocked by configuration is hidden in what is shown", async () => {
  const shown = `cat ${home}/tools/program ${home}/tools/keys/key`;
  await using open = await create({ readOnly: ["~/tools"] });
  await using closed = await create({ readOnly: ["~/tools"], block: ["~/tools/keys", "/usr/share/doc"] });
  expect([await ask(open, shown), await ask(closed, shown), await ask(closed, "ls /usr/share/doc")]).toEqual([
    ["programkey"],
    ["program"],
    [""],
  ]);
});

test("no configuration shows the daemon's own state", async () => {
  await mkdir(join(base, "state"), { recursive: true });
  for (const path of [join(base, "state"), base, join(base, "cache")])
    await expect(create({ readOnly: [path] }), path).rejects.toMatchObject({ code: "config.invalid" });
});

test("a key that the proxy adds is used from inside, and is nowhere inside", async () => {
  const keys: unknown[] = [];
  const provider = createServer((request, response) => {
    keys.push(request.headers["x-api-key"]);
    response.end("an answer");
  });
  provider.listen(0, "127.0.0.1");
  await once(provider, "listening");
  const address = provider.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const credential = {
    name: "anthropic",
    header: "x-api-key",
    value: "canary-key",
    origin: `http://127.0.0.1:${port}`,
  };
  await using workspace = await create({ network: "allowlist", credentials: [credential] });
  const script = `curl -sS -H 'x-api-key: kept-by-canopy' http://127.0.0.1:3128/.canopy/anthropic/v1/messages; echo; grep -rl canary-key /proc/[0-9]*/environ "$HOME" "$TMPDIR" . 2>/dev/null; curl -sS -m 5 http://127.0.0.1:${port}/ 2>/dev/null || echo refused`;
  expect(await ask(workspace, script)).toEqual(["an answer", "refused"]);
  expect(keys).toEqual(["canary-key"]);
  provider.close();
});

/** A program that says what lies beside it, where it really is. */
async function install(program: string, link: string, target = join(home, program)): Promise<void> {
  await put(program, '#!/bin/sh\ncat "$(dirname "$(readlink -f "$0")")/beside"\n');
  await chmod(join(home, program), 0o755);
  await put(join(dirname(program), "beside"), `beside ${program}\n`);
  await mkdir(dirname(join(home, link)), { recursive: true });
  await symlink(target, join(home, link));
}

test("programs work where their installers put them: links on PATH, and over links, and named in full", async () => {
  // As npm installs with a prefix of `~/.local`, pipx, and a version that is chosen by a link.
  await install(
    ".local/lib/node_modules/npm-one/cli.js",
    ".local/bin/npm-one",
    "../lib/node_modules/npm-one/cli.js",
  );
  await install(".local/share/pipx/venvs/pipx-one/bin/pipx-one", ".local/bin/pipx-one");
  await put(".local/share/pipx/venvs/pipx-one/pyvenv.cfg", "");
  await install("project/bin/chosen", "versions/current");
  await put("project/secret", "secret");
  await symlink(join(home, "versions/current"), join(home, ".local/bin/chosen"));
  await install("apart/node_modules/named/cli.js", "scripts/named");
  await install(".ssh/bin/key", ".local/bin/key");
  // As Claude Code's own installer does: one file, which needs nothing beside it.
  await put(".local/share/claude/versions/2.1.0", "#!/bin/sh\necho claude\n");
  await chmod(join(home, ".local/share/claude/versions/2.1.0"), 0o755);
  await symlink(join(home, ".local/share/claude/versions/2.1.0"), join(home, ".local/bin/claude"));
  await put(".local/share/claude/secret", "secret");
  const path = process.env["PATH"];
  process.env["PATH"] = `${join(home, ".local/bin")}:${path}`;
  try {
    await using workspace = await create({ readOnly: [join(home, "scripts/named")] });
    const run = [
      "claude",
      "npm-one",
      "pipx-one",
      "chosen",
      join(home, "scripts/named"),
      `cat ${home}/.local/share/pipx/venvs/pipx-one/pyvenv.cfg && echo whole`,
      `cat ${home}/.local/share/claude/secret`,
      `cat ${home}/project/secret`,
      "key",
    ];
    expect(await ask(workspace, run.map((each) => `${each} 2>/dev/null || echo no`).join("\n"))).toEqual([
      "claude",
      "beside .local/lib/node_modules/npm-one/cli.js",
      "beside .local/share/pipx/venvs/pipx-one/bin/pipx-one",
      "beside project/bin/chosen",
      "beside apart/node_modules/named/cli.js",
      "whole",
      "no",
      "no",
      "no",
    ]);
  } finally {
    process.env["PATH"] = path;
  }
});
