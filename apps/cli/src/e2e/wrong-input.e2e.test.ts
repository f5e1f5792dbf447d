import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createTestRepository, userGit, writeFiles } from "./create-test-repository.ts";
import { NOTHING_LEFT } from "./find-leftovers.ts";
import { importScripts } from "./import-scripts.ts";
import type { ListedTask } from "./import-scripts.ts";
import { SCRIPT_AGENT } from "./large-run-tasks.ts";
import { openTestHome, parseJson } from "./open-test-home.ts";
import type { CliOptions, TestHome } from "./open-test-home.ts";

interface Refusal {
  readonly args: readonly string[];
  readonly options?: CliOptions;
  readonly exit: number;
  readonly code: string;
  /** What the one line must say. */
  readonly says: RegExp;
}

/** One line and at most one hint on standard error, the exit code, and the same as JSON when that was asked for. */
async function expectRefusal(
  home: TestHome,
  { args, options = {}, exit, code, says }: Refusal,
): Promise<void> {
  const plain = await home.canopy(args, options);
  expect({ code: plain.code, stdout: plain.stdout }, plain.stderr).toEqual({ code: exit, stdout: "" });
  expect(plain.stderr).toMatch(/^canopy: [^\n]+\n(?: {2}[^\n]+\n)?$/);
  expect(plain.stderr).toMatch(says);
  const json = await home.canopy([...args, "--json"], options);
  const answer = parseJson<{ version: number; error: { code: string; message: string } }>(json.stdout);
  expect({ exit: json.code, version: answer.version, code: answer.error.code }).toEqual({
    exit,
    version: 1,
    code,
  });
  expect(answer.error.message).toMatch(says);
}

describe("wrong input", () => {
  let home: TestHome;
  let repository: string;
  beforeAll(async () => {
    home = await openTestHome();
    repository = join(home.root, "work");
    await createTestRepository(repository);
  });
  afterAll(async () => {
    const left = await home.shutDown();
    await home[Symbol.asyncDispose]();
    expect(left).toEqual(NOTHING_LEFT);
  });

  test("folders that cannot be worked in", async () => {
    const bare = join(home.root, "bare.git");
    const empty = join(home.root, "empty");
    const detached = join(home.root, "detached");
    await userGit(home.root, "init", "-q", "--bare", bare);
    await userGit(home.root, "init", "-q", empty);
    await createTestRepository(detached);
    await userGit(detached, "checkout", "-q", "--detach");
    const run = ["run", "--agent", "command:true"];
    const cases: readonly (readonly [string, string, RegExp])[] = [
      [home.root, "repository.not-found", /is not inside a git repository/],
      [bare, "repository.bare", /is a bare repository/],
      [empty, "repository.empty", /has no commit yet/],
      [detached, "repository.detached-head", /HEAD is detached at [0-9a-f]{12} in .+detached/],
    ];
    for (const [cwd, code, says] of cases) {
      await expectRefusal(home, { args: run, options: { cwd }, exit: 2, code, says });
    }
    await expectRefusal(home, {
      args: ["task", "list"],
      options: { cwd: home.root },
      exit: 2,
      code: "repository.not-found",
      says: /is not inside a git repository/,
    });
  });

  test("a configuration that cannot be read names file and line", async () => {
    const broken = join(home.root, "broken");
    await createTestRepository(broken);
    const cases: readonly (readonly [string, RegExp])[] = [
      ["[run]\nconcurrency = = 3\n", /config\.toml:2:\d+: /],
      ["[run]\nconcurrency = 3\nconcurency = 4\n", /config\.toml:3: unknown key 'run\.concurency'/],
      ["# comment\n[run]\ntimeout = 'soon'\n", /config\.toml:3: run\.timeout: 'soon' is not a duration/],
    ];
    for (const [text, says] of cases) {
      await writeFiles(broken, { ".canopy/config.toml": text });
      await expectRefusal(home, {
        args: ["run", "--agent", "command:true"],
        options: { cwd: broken },
        exit: 2,
        code: "config.invalid",
        says,
      });
    }
    await mkdir(join(broken, "unreadable", ".canopy", "config.toml"), { recursive: true });
    await createTestRepository(join(broken, "unreadable"));
    await expectRefusal(home, {
      args: ["run", "--agent", "command:true"],
      options: { cwd: join(broken, "unreadable") },
      exit: 2,
      code: "config.invalid",
      says: /cannot read .+config\.toml/,
    });
  });

  test("images that are none, and nothing is half done", async () => {
    const folder = join(home.root, "pictures");
    await mkdir(folder);
    await writeFile(join(folder, "text.png"), "this is a text");
    await writeFile(join(folder, "empty.png"), "");
    await writeFile(
      join(folder, "large.gif"),
      Buffer.concat([Buffer.from("GIF89a"), Buffer.alloc(6_000_000)]),
    );
    for (const [file, code, says] of [
      ["missing.png", "usage.invalid", /cannot read .+missing\.png/],
      [".", "usage.invalid", /it is no file/],
      ["empty.png", "usage.invalid", /it is empty/],
      ["text.png", "request.invalid", /text\.png is no image/],
      ["large.gif", "request.too-large", /an image may have 3\.75 MiB/],
    ] as const) {
      const args = ["task", "add", "With a picture", "--image", join(folder, file)];
      await expectRefusal(home, { args, options: { cwd: repository }, exit: 2, code, says });
    }
    const { tasks } = await home.ask<{ tasks: ListedTask[] }>(["task", "list"], { cwd: repository });
    expect(tasks.filter(({ title }) => title === "With a picture")).toEqual([]);
  });

  test("agents and options that do not exist", async () => {
    const options = { cwd: repository };
    await expectRefusal(home, {
      args: ["run", "--agent", "nobody"],
      options,
      exit: 2,
      code: "usage.unknown-agent",
      says: /unknown agent "nobody"/,
    });
    for (const [args, says] of [
      [["run", "--no-such-option"], /unknown option '--no-such-option'/],
      [["run", "-c", "0"], /expected a whole number from 1 to 256/],
      [["task", "show"], /missing required argument 'task'/],
      [["no-such-command"], /unknown command 'no-such-command'/],
      [["task", "no-such-command"], /unknown command 'no-such-command'/],
      [["run", "--concurency", "3"], /unknown option '--concurency'/],
    ] as const) {
      await expectRefusal(home, { args, options, exit: 2, code: "usage.invalid", says });
    }
    const none = await home.canopy(["task"], options);
    expect(none).toMatchObject({ code: 2, stdout: "" });
    expect(none.stderr).toMatch(
      /^canopy: canopy task needs a command: add, list, .+\n {2}see: canopy task --help\n$/,
    );
  });

  test("a command that does not exist ends the run at once, with one line and no task blamed", async () => {
    await importScripts(home, repository, {
      m1: { title: "First", script: "" },
      m2: { title: "Second", script: "" },
    });
    for (const agent of ["command:/no/such/thing --flag", "command:no-such-thing", "acp:/no/such/thing"]) {
      await expectRefusal(home, {
        args: ["run", "--agent", agent],
        options: { cwd: repository },
        exit: 2,
        code: "agent.not-found",
        says: /agent "\w+" cannot be started: .*no.such.thing /,
      });
    }
    // What the command itself calls is only seen when it runs.
    const late = await home.canopy(["run", "--agent", "command:cd . && no-such-thing"], { cwd: repository });
    expect(late.code, late.stdout + late.stderr).toBe(2);
    expect(late.stdout).toMatch(/no-such-thing: not found/);
    const { tasks } = await home.ask<{ tasks: ListedTask[] }>(["task", "ready"], { cwd: repository });
    expect(tasks.map((task) => [task.title, task.labels])).toEqual([
      ["First", []],
      ["Second", []],
    ]);
    for (const task of tasks) await home.ask(["task", "close", task.id], { cwd: repository });
  });

  test("conflicts and unknown things", async () => {
    const options = { cwd: repository };
    const add = async (title: string, ...more: string[]): Promise<string> =>
      (await home.ask<{ id: string }>(["task", "add", title, ...more], options)).id;
    const first = await add("First");
    const second = await add("Second", "--depends-on", first);
    const third = await add("Third", "--depends-on", second);
    await home.ask(["task", "claim", first, "--as", "ada"], options);
    const refuse = (args: readonly string[], exit: number, code: string, says: RegExp): Promise<void> =>
      expectRefusal(home, { args, options, exit, code, says });
    await refuse(["task", "claim", first, "--as", "bob"], 3, "conflict", /claimed by ada/);
    await refuse(["task", "dep", "add", first, third], 3, "conflict", /cycle/);
    await refuse(["task", "dep", "add", first, first], 2, "request.invalid", /itself/);
    await refuse(["task", "show", "4711"], 4, "thing.not-found", /no task '4711'/);
    await refuse(["history", "run_nothing"], 4, "thing.not-found", /no run 'run_nothing'/);
    await refuse(["kill", "ses_nothing"], 4, "thing.not-found", /'ses_nothing'/);
    await refuse(["queue", "show", "nothing"], 4, "thing.not-found", /no change 'nothing'/);
    await refuse(["run", "--task", "4711"], 4, "thing.not-found", /no task '4711'/);
    const cyclic = join(home.root, "cyclic.json");
    await writeFile(
      cyclic,
      JSON.stringify([
        { id: "x", title: "X", dependencies: ["y"] },
        { id: "y", title: "Y", dependencies: ["x"] },
      ]),
    );
    await refuse(["task", "import", cyclic], 3, "conflict", /cycle/);
    await refuse(
      ["task", "import", join(home.root, "none.json")],
      2,
      "usage.invalid",
      /cannot read .+none\.json/,
    );
    await refuse(["task", "add", ""], 2, "request.invalid", /title/);
    const { tasks } = await home.ask<{ tasks: ListedTask[] }>(["task", "list"], options);
    expect(tasks.map((task) => task.title)).toEqual(["First", "Second", "Third"]);
    for (const id of [third, second, first]) await home.ask(["task", "close", id], options);
  });

  test("a description of one megabyte reaches a command's standard input whole", async () => {
    const text = `${"é".repeat(500_000)}\nthe end of it`;
    const file = join(home.root, "long.txt");
    await writeFile(file, text);
    const options = { cwd: repository };
    const { id } = await home.ask<{ id: string }>(
      ["task", "add", "Long", "--description-file", file],
      options,
    );
    const agent =
      'command:cat > prompt.txt; printf %s "$CANOPY_TASK_DESCRIPTION" | tail -c 60 > variable.txt';
    const run = await home.canopy(["run", "--agent", agent], options);
    expect(run.code, run.stdout + run.stderr).toBe(0);
    expect(await userGit(repository, "show", "canopy/main:prompt.txt")).toContain(text);
    expect(await userGit(repository, "show", "canopy/main:variable.txt")).toContain("standard input");
    const shown = await home.ask<{ description: string }>(["task", "show", id], options);
    expect(shown.description).toBe(text);
    const viaInput = await home.ask<{ description: string }>(["task", "update", id, "-d", "-"], {
      ...options,
      input: `${text}!`,
    });
    expect(viaInput.description).toBe(`${text}!`);
  });

  test("a repository that cannot be written is refused before anything starts", async () => {
    const readOnly = join(home.root, "read-only");
    await createTestRepository(readOnly);
    // The daemon must see the mount too: one of its own, in the same namespace.
    const mount = `mount --bind '${readOnly}' '${readOnly}' && mount -o remount,ro,bind '${readOnly}' && exec "$@"`;
    const other = { CANOPY_HOME: join(home.root, "other-canopy") };
    const inside = {
      cwd: home.root,
      env: other,
      prefix: ["unshare", "-m", "sh", "-c", mount, "sh", "sh", "-c", `cd '${readOnly}' && exec "$@"`, "sh"],
    };
    await home.ask(["task", "add", "Anything"], { cwd: readOnly, env: other });
    await home.canopy(["down"], { env: other });
    const run = await home.canopy(["run", "--agent", SCRIPT_AGENT], inside);
    await home.canopy(["down"], { env: other });
    expect({ code: run.code, stdout: run.stdout }, run.stderr).toEqual({ code: 2, stdout: "" });
    expect(run.stderr).toMatch(/^canopy: the repository cannot be written: .+\n {2}.+\n$/);
  });
});

test("a daemon that does not run, or whose port is taken, is exit code 7", async () => {
  await using home = await openTestHome();
  const nobody = { args: ["status"], exit: 7, code: "daemon.unavailable", says: /does not answer/ };
  await expectRefusal(home, nobody);
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  for (const options of [
    { args: ["up", "--port", String(port)] },
    { args: ["up"], options: { env: { CANOPY_PORT: String(port) } } },
  ]) {
    await expectRefusal(home, {
      ...options,
      exit: 7,
      code: "daemon.port-taken",
      says: new RegExp(`port ${port} on 127\\.0\\.0\\.1 is taken`),
    });
  }
  server.close();
  await expectRefusal(home, nobody);
  await expectRefusal(home, {
    args: ["up", "--port", "70000"],
    exit: 2,
    code: "usage.invalid",
    says: /70000|whole number/,
  });
  expect((await home.canopy(["down"])).stdout).toBe("no daemon was running\n");
});
