import { appendFile, mkdir, mkdtemp, readdir, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Overlap, Session } from "@canopy/protocol";
import { createTestRepository, userGit } from "./create-test-repository.ts";
import { NOTHING_LEFT } from "./find-leftovers.ts";
import { createGate, GATES_FOLDER, showGates } from "./open-gate.ts";
import { openTestHome } from "./open-test-home.ts";
import type { TestHome } from "./open-test-home.ts";
import { waitFor } from "./wait-for.ts";

let home: TestHome;
beforeAll(async () => {
  home = await openTestHome();
});
afterAll(async () => {
  const left = await home.shutDown();
  await home[Symbol.asyncDispose]();
  expect(left).toEqual(NOTHING_LEFT);
});

async function createProject(name: string): Promise<string> {
  const cwd = await mkdtemp(join(home.root, `${name}-`));
  await createTestRepository(cwd, { "shared.txt": "start\n" });
  await showGates(cwd, home.root);
  return cwd;
}

/** Shell lines that arm every trap that git has, in the agent's own repository and in one nested in it. */
function trapScript(seen: string): string {
  const note = `#!/bin/sh\\nif [ -n "$CANOPY_ATTEMPT" ]; then touch '${seen}/inside-NAME'; else touch '${seen}/outside-NAME'; fi\\n[ NAME = filter ] && cat\\nexit 0\\n`;
  return String.raw`
arm() {
  mkdir -p "$1/hooks"
  for name in pre-commit post-commit post-checkout post-merge pre-merge-commit post-rewrite post-index-change reference-transaction pre-auto-gc prepare-commit-msg commit-msg fsmonitor filter diff pager; do
    printf '${note}' | sed "s/NAME/$name/g" > "$1/hooks/$name"
    chmod +x "$1/hooks/$name"
  done
  set -- "$(cd "$1" && pwd)"
  git config --file "$1/config" core.hooksPath "$1/hooks"
  git config --file "$1/config" core.fsmonitor "$1/hooks/fsmonitor"
  git config --file "$1/config" core.pager "$1/hooks/pager"
  git config --file "$1/config" filter.trap.clean "$1/hooks/filter"
  git config --file "$1/config" filter.trap.smudge "$1/hooks/filter"
  git config --file "$1/config" filter.trap.required true
  git config --file "$1/config" diff.trap.command "$1/hooks/diff"
  git config --file "$1/config" diff.external "$1/hooks/diff"
}
arm .git
git init -q nested
arm nested/.git
echo nested > nested/file.txt
mkdir -p .GIT/hooks 'git~1' sub/.Git
echo trap > .GIT/config; echo trap > 'git~1/config'; echo trap > sub/.Git/config; echo kept > sub/kept.txt
echo '*.trap filter=trap diff=trap' > .gitattributes
echo work > work.trap
mkdir -p packages/a/.vscode
echo '{}' > packages/a/.vscode/tasks.json
git add work.trap .gitattributes
git commit -qm 'mine' work.trap .gitattributes
echo more >> work.trap
`;
}

test("hooks and configuration that an agent plants run where it is, and never where the user or Canopy is", async () => {
  const cwd = await createProject("hooks");
  const seen = join(home.root, GATES_FOLDER, "seen");
  await mkdir(seen, { recursive: true });
  await home.ask(["task", "add", "Trap", "-d", trapScript(seen)], { cwd });
  const ran = await home.canopy(
    ["run", "--max-retries", "0", "--agent", 'command:cat >/dev/null; sh -eu -c "$CANOPY_TASK_DESCRIPTION"'],
    { cwd },
  );
  expect(ran.code, ran.stdout + ran.stderr).toBe(0);
  const names = (await userGit(cwd, "ls-tree", "-r", "--name-only", "canopy/main")).split("\n");
  expect(names).toEqual([
    ".gitattributes",
    "packages/a/.vscode/tasks.json",
    "shared.txt",
    "sub/kept.txt",
    "work.trap",
  ]);
  // What could loosen something at the person's is named before they go on.
  expect((await home.canopy(["deliver", "--dry-run"], { cwd })).stdout).toContain(
    "READ FIRST, for they tell your tools what to run and what agents may: packages/a/.vscode/tasks.json\n",
  );
  await home.ask(["deliver"], { cwd });
  await userGit(cwd, "status");
  await userGit(cwd, "log", "-p", "-1");
  await appendFile(join(cwd, "work.trap"), "the user's\n");
  await userGit(cwd, "add", "-A");
  await userGit(cwd, "commit", "-qm", "of the user");
  await userGit(cwd, "checkout", "-q", "-b", "other", "HEAD~1");
  await userGit(cwd, "gc", "-q");
  const fired = await readdir(seen);
  // The traps are real: they went off where the agent was.
  expect(fired.filter((name) => name.startsWith("inside-"))).toEqual(
    expect.arrayContaining(["inside-pre-commit", "inside-post-commit", "inside-filter"]),
  );
  expect(fired.filter((name) => name.startsWith("outside-"))).toEqual([]);
});

// oxlint-disable-next-line no-control-regex
const ESCAPES = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/;

test("escape codes in what an agent says and does never reach the terminal, and its level is shown", async () => {
  const cwd = await createProject("codes");
  const codes = String.raw`\033]0;pwned\007\033[2J\033]52;c;cHduZWQ=\007\233\033[31mred\r\b`;
  const script = `printf 'said ${codes}\\n'; printf 'error ${codes}\\n' >&2; printf x > "$(printf 'name\\033[31m')"; exit 3`;
  await home.ask(["task", "add", "Say \u001b[31mred", "-d", `It \u001b]0;pwned\u0007 is`], { cwd });
  const ran = await home.canopy(
    ["run", "--max-retries", "0", "--agent", `command:cat >/dev/null; ${script}`],
    {
      cwd,
    },
  );
  const { sessions } = await home.ask<{ sessions: Session[] }>(["session", "list"], { cwd });
  expect(sessions.map(({ sandboxLevel }) => sandboxLevel)).toEqual(["sandbox"]);
  const id = sessions[0]?.sessionId ?? "";
  const shown: Record<string, string> = { run: ran.stdout + ran.stderr };
  for (const args of [
    ["session", "list"],
    ["session", "show", id],
    ["session", "export", id],
    ["task", "show", "1"],
    ["task", "list"],
    ["history"],
    ["queue"],
    ["queue", "patches"],
    ["session", "show", id, "--json"],
    ["ps"],
    ["stats"],
    ["logs"],
    ["status"],
  ]) {
    const { stdout, stderr, code } = await home.canopy(args, { cwd });
    expect(code, args.join(" ")).toBe(0);
    shown[args.join(" ")] = stdout + stderr;
  }
  expect(shown[`session show ${id}`]).toContain("said");
  expect(shown[`session show ${id}`]).toContain("at sandbox level sandbox");
  expect(Object.keys(shown).filter((name) => ESCAPES.test(shown[name] ?? ""))).toEqual([]);
});

test("a link that an agent puts where Canopy writes leads Canopy nowhere outside", async () => {
  const cwd = await createProject("links");
  await appendFile(join(cwd, ".canopy", "config.toml"), '[queue]\nradar_interval = "300ms"\n');
  const victim = await mkdtemp(join(home.root, "victim-"));
  await writeFile(join(victim, "radar.md"), "the user's own\n");
  const gate = await createGate(home.root, basename(cwd));
  for (const title of ["left", "right"]) await home.ask(["task", "add", title], { cwd });
  const script = `rm -rf .canopy; if [ "$CANOPY_TASK_TITLE" = left ]; then ln -s '${victim}' .canopy; else mkdir .canopy; ln -s '${victim}/radar.md' .canopy/radar.md; fi; echo "$CANOPY_TASK_TITLE" > shared.txt\n${gate.script}`;
  const running = home.start(["run", "-c", "2", "--max-retries", "0", "--agent", `command:${script}`], {
    cwd,
  });
  await waitFor("the radar", async () => {
    const { overlaps } = await home.ask<{ overlaps: Overlap[] }>(["queue", "radar"], { cwd });
    return overlaps.length >= 2 ? overlaps : null;
  });
  await gate.open();
  await running.finished;
  expect(await readdir(victim)).toEqual(["radar.md"]);
  expect(await readFile(join(victim, "radar.md"), "utf8")).toBe("the user's own\n");
});

test("what was refused is in the log, with the command that allows it", async () => {
  const cwd = await createProject("refused");
  await home.ask(["task", "add", "Ask around"], { cwd });
  const script =
    "cat >/dev/null; curl -sS -m 5 http://refused.example.test:8080/; curl -sS -m 5 https://other.example.test/; echo done > done.txt";
  await home.ask(["run", "--agent", `command:${script}`], { cwd });
  const { refusals } = await home.ask<{ refusals: { host: string; port: number; fix: string | null }[] }>(
    ["sandbox", "log"],
    { cwd },
  );
  expect(refusals.map(({ host, port, fix }) => ({ host, port, fix }))).toEqual([
    {
      host: "refused.example.test",
      port: 8080,
      fix: "canopy sandbox allow refused.example.test:8080",
    },
    { host: "other.example.test", port: 443, fix: "canopy sandbox allow other.example.test" },
  ]);
  const { stdout } = await home.canopy(["sandbox", "log"], { cwd });
  expect(stdout).toContain("  canopy sandbox allow refused.example.test:8080\n");
  expect(await home.ask(["sandbox", "allow", "refused.example.test:8080"], { cwd })).toMatchObject({
    added: true,
  });
});

test("level none is said aloud, and shown", async () => {
  const cwd = await createProject("open");
  await appendFile(join(cwd, ".canopy", "config.toml"), 'level = "none"\n');
  await home.ask(["task", "add", "Look around"], { cwd });
  const gate = await createGate(home.root, basename(cwd));
  const running = home.start(["run", "--agent", `command:cat >/dev/null; ${gate.script}; echo x > x`], {
    cwd,
  });
  await gate.waitForArrivals(1);
  const { stdout } = await home.canopy(["status"], { cwd });
  expect(stdout).toContain("1 at level none");
  await gate.open();
  const { stdout: said } = await running.finished;
  expect(said).toContain("WARNING: agents run without any sandbox");
  expect((await home.canopy(["session", "list"], { cwd })).stdout).toMatch(/ none /);
});

test.each(["process", "sandbox"])(
  "a limit that an agent runs into is named, and no mystery crash (%s)",
  async (level) => {
    const cwd = await createProject(`limited-${level}`);
    await appendFile(
      join(cwd, ".canopy", "config.toml"),
      `level = "${level}"\n[sandbox.limits]\nmemory = "64MB"\n`,
    );
    await home.ask(["task", "add", "Take all memory"], { cwd });
    const script = `cat >/dev/null; perl -e 'my $x = ""; $x .= "a" x (1 << 20) for 1 .. 300; sleep 20'`;
    const run = ["run", "--max-retries", "0", "--agent", `command:${script}`];
    expect((await home.canopy(run, { cwd })).code).toBe(1);
    const { attempts } = await home.ask<{ attempts: { failure: { message: string } | null }[] }>(
      ["task", "show", "1"],
      { cwd },
    );
    expect(attempts.map(({ failure }) => failure?.message)).toEqual([
      expect.stringMatching(/^killed: memory limit 64 MB \(/),
    ]);
  },
);
