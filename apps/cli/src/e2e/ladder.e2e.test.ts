import { join } from "node:path";
import type { CheckoutSnapshot } from "@canopy/git";
import { readRepositoryIdentity, snapshotCheckout } from "@canopy/git";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestRepository, userGit, writeFiles } from "./create-test-repository.ts";
import { digestGitDirectory } from "./digest-git-directory.ts";
import { NOTHING_LEFT } from "./find-leftovers.ts";
import { importScripts } from "./import-scripts.ts";
import type { ScriptTask } from "./import-scripts.ts";
import { keepBoth, ladderAgent, rungsOf, showTask, stages } from "./ladder-agents.ts";
import type { QueueTask } from "./ladder-agents.ts";
import { createGate, showGates } from "./open-gate.ts";
import { openTestHome } from "./open-test-home.ts";
import type { CliResult, TestHome } from "./open-test-home.ts";

let home: TestHome;

/** What a repository's only run came to. */
interface Outcome {
  readonly cwd: string;
  readonly result: CliResult;
  readonly tasks: ReadonlyMap<string, QueueTask>;
  /** The person's checkout and git directory, before and after the run. */
  readonly before: readonly [CheckoutSnapshot, Record<string, string>];
  readonly after: readonly [CheckoutSnapshot, Record<string, string>];
}

async function snapshot(cwd: string): Promise<Outcome["before"]> {
  const identity = await readRepositoryIdentity(cwd);
  return [await snapshotCheckout(identity), await digestGitDirectory(join(cwd, ".git"))];
}

interface Project {
  readonly name: string;
  readonly config: string;
  readonly files: Readonly<Record<string, string>>;
  /** The task that lands before the others have done their work. */
  readonly first: ScriptTask;
  readonly others: Readonly<Record<string, (wait: string) => string>>;
}

/** Runs a project's tasks; all but the first begin on the same base and end when the first has landed. */
async function runProject(project: Project): Promise<Outcome> {
  const cwd = join(home.root, project.name);
  await createTestRepository(cwd, project.files);
  const agents = ladderAgent("shell") + ladderAgent("helper");
  await writeFiles(cwd, { ".canopy/config.toml": `${agents}${project.config}` });
  await showGates(cwd, home.root);
  // The person is in the middle of something.
  await writeFiles(cwd, { "mine.txt": "half a thought\n", "README.md": "# Staged\n" });
  await userGit(cwd, "add", "README.md");
  const gate = await createGate(home.root, project.name);
  const wait = gate.script;
  const others = Object.entries(project.others).map(([key, script]) => [
    key,
    { title: key, script: script(wait) },
  ]);
  const ids = await importScripts(home, cwd, {
    first: { ...project.first, priority: 0 },
    ...Object.fromEntries(others),
  });
  const before = await snapshot(cwd);
  const count = others.length;
  const run = home.start(["run", "-c", String(count + 1), "--agent", "shell"], { cwd });
  await gate.waitForArrivals(count);
  await run.waitForOutput(/^landed.*first/m);
  await gate.open();
  const result = await run.finished;
  const after = await snapshot(cwd);
  const tasks = new Map<string, QueueTask>();
  for (const [key, id] of ids) tasks.set(key, await showTask(home, cwd, id));
  return { cwd, result, tasks, before, after };
}

async function landedFile(outcome: Outcome, path: string): Promise<string> {
  return await userGit(outcome.cwd, "show", `canopy/main:${path}`).catch(() => "(gone)");
}

/** No folder that was laid out for an agent, and no conflict marker, is in any commit that landed. */
async function checkNothingLaidOut(outcome: Outcome): Promise<void> {
  const commits = await userGit(outcome.cwd, "rev-list", "main..canopy/main");
  for (const commit of commits.split("\n")) {
    const paths = await userGit(outcome.cwd, "ls-tree", "-r", "--name-only", commit);
    expect(paths.split("\n").filter((path) => path.startsWith(".canopy"))).toEqual([]);
    expect(await userGit(outcome.cwd, "grep", "-E", "^(<{7}|>{7}) ", commit).catch(() => "none")).toBe(
      "none",
    );
  }
}

const text = (...lines: string[]): string => lines.map((line) => `${line}\n`).join("");
const THREE = text("top", "middle", "bottom");

/** The first task's `middle` and the others' are edited in the same line. */
const edit = (path: string): string => `sed -i 's/^middle$/middle by task/' '${path}'`;

const CONFLICTS: Project = {
  name: "conflicts",
  config: [
    '[queue.resolver]\nagent = "helper"\n',
    '[[queue.regenerate]]\npaths = ["lock.txt"]\ncommand = "cat deps/*.txt | sort > lock.txt"\n',
  ].join(""),
  files: {
    "README.md": "# Work\n",
    ".gitignore": "build/\n",
    "handed-back.txt": THREE,
    "resolved.txt": THREE,
    "one-side.txt": THREE,
    "marked.txt": THREE,
    "reverted.txt": THREE,
    "elsewhere.txt": THREE,
    "others-delete.txt": THREE,
    "task-deletes.txt": THREE,
    "old-name.txt": THREE,
    "deps/a.txt": "a 1\n",
    "lock.txt": "a 1\n",
  },
  first: {
    title: "first",
    script: [
      "for file in handed-back resolved one-side marked reverted elsewhere task-deletes; do",
      "sed -i 's/^middle$/middle by others/' $file.txt; echo 'end by others' >> $file.txt; done",
      "rm others-delete.txt; mv old-name.txt new-name.txt",
      "echo 'b 1' > deps/b.txt; cat deps/*.txt | sort > lock.txt",
    ].join("\n"),
  },
  others: {
    "handed back": (wait) =>
      stages({
        work: `${edit("handed-back.txt")}\n${wait}`,
        "hand-back": [
          "grep -q '^<<<<<<< ' handed-back.txt",
          "grep -q 'middle by others' .canopy/conflict/ours/handed-back.txt",
          "grep -q 'middle by task' .canopy/conflict/theirs/handed-back.txt",
          "grep -qx middle .canopy/conflict/base/handed-back.txt",
          "grep -q '^+middle by others' .canopy/conflict/ours.diff",
          "grep -q '^+middle by task' .canopy/conflict/theirs.diff",
          "grep -q '^## first' .canopy/conflict/others.md",
          'grep -q "handed back" .canopy/conflict/task.md',
          'grep -q "handed-back.txt: content conflict" "$TMPDIR/prompt"',
          keepBoth("handed-back.txt"),
        ].join("\n"),
      }),
    resolved: (wait) =>
      stages({
        work: `${edit("resolved.txt")}\n${wait}`,
        "hand-back": "exit 0",
        resolver: `test "$WHO" = helper\ngrep -q 'hand-back: ' "$TMPDIR/prompt"\n${keepBoth("resolved.txt")}`,
      }),
    "one side": (wait) =>
      stages({
        work: `${edit("one-side.txt")}\n${wait}`,
        "hand-back": "cp .canopy/conflict/theirs/one-side.txt one-side.txt",
        resolver: "cp .canopy/conflict/theirs/one-side.txt one-side.txt",
      }),
    marked: (wait) =>
      stages({
        work: `${edit("marked.txt")}\n${wait}`,
        "hand-back": "echo 'I am done' >> marked.txt",
        resolver: keepBoth("marked.txt"),
      }),
    "reverts elsewhere": (wait) =>
      stages({
        work: `${edit("reverted.txt")}\n${wait}`,
        "hand-back": `${keepBoth("reverted.txt")}\nprintf 'top\\nmiddle\\nbottom\\n' > elsewhere.txt`,
        resolver: `grep -q 'lines that others added are gone\\|take away lines' "$TMPDIR/prompt"\n${keepBoth("reverted.txt")}`,
      }),
    "edits what is gone": (wait) =>
      stages({
        work: `${edit("others-delete.txt")}\n${wait}`,
        "hand-back": [
          'grep -q "others-delete.txt: others deleted it, this change edits it" "$TMPDIR/prompt"',
          "cp .canopy/conflict/theirs/others-delete.txt moved.txt; rm -f others-delete.txt",
        ].join("\n"),
      }),
    "deletes what others edit": (wait) =>
      stages({
        work: `rm task-deletes.txt; ${wait}`,
        "hand-back": [
          'grep -q "task-deletes.txt: this change deletes it, others edited it" "$TMPDIR/prompt"',
          "cp .canopy/conflict/ours/task-deletes.txt kept.txt; rm -f task-deletes.txt",
        ].join("\n"),
      }),
    "deletes what others renamed": (wait) =>
      stages({
        work: `rm old-name.txt; echo why > why.txt; ${wait}`,
        "hand-back": 'grep -q "renamed from old-name.txt" "$TMPDIR/prompt"\necho "it stays" >> new-name.txt',
      }),
    "adds a dependency": (wait) =>
      stages({ work: `echo 'c 1' > deps/c.txt; cat deps/*.txt | sort > lock.txt\n${wait}` }),
  },
};

const REPAIRS: Project = {
  name: "repairs",
  config: [
    "[validation]\nenabled = true\nmax_repair_attempts = 2\n",
    "[[validation.steps]]\nname = 'nothing bad'\n",
    'command = "! grep -rn BAD parts"\n',
  ].join(""),
  files: { "README.md": "# Work\n", "parts/start.txt": "GOOD\n" },
  first: { title: "first", script: "echo GOOD > parts/first.txt" },
  others: {
    mended: (wait) =>
      stages({
        work: `echo BAD > parts/mended.txt; echo kept > parts/own.txt\n${wait}`,
        repair: [
          "grep -q 'parts/mended.txt:1:BAD' .canopy/repair/validation-output.txt",
          "grep -q '^+BAD' .canopy/repair/merged.diff",
          "grep -q mended .canopy/repair/task-context.txt",
          "grep -q 'parts/mended.txt:1:BAD' \"$TMPDIR/prompt\"",
          "sed -i 's/BAD/GOOD/' parts/mended.txt",
        ].join("\n"),
      }),
    hopeless: (wait) =>
      stages({
        work: `echo BAD > parts/hopeless.txt\n${wait}`,
        repair: "echo 'BAD again' >> parts/hopeless.txt",
      }),
    idle: (wait) => stages({ work: `echo BAD > parts/idle.txt\n${wait}`, repair: "exit 0" }),
    fine: (wait) => stages({ work: `echo GOOD > parts/fine.txt\n${wait}` }),
  },
};

let conflicts: Outcome;
let repairs: Outcome;

beforeAll(async () => {
  home = await openTestHome();
  conflicts = await runProject(CONFLICTS);
  repairs = await runProject(REPAIRS);
});
afterAll(async () => {
  const left = await home.shutDown();
  await home[Symbol.asyncDispose]();
  expect(left).toEqual(NOTHING_LEFT);
});

const taskOf = (outcome: Outcome, key: string): QueueTask => outcome.tasks.get(key)!;
const changeOf = (outcome: Outcome, key: string): QueueTask["changes"][number] =>
  taskOf(outcome, key).changes.at(-1)!;
const BOTH = text("top", "middle by others", "middle by task", "bottom", "end by others").trimEnd();

test("a conflict goes back to its own session, which keeps both sides' lines, and lands", async () => {
  const { attempts, status, changes } = taskOf(conflicts, "handed back");
  expect([changes.length, changes[0]?.state, changes[0]?.revision, status]).toEqual([
    1,
    "landed",
    1,
    "closed",
  ]);
  expect(rungsOf(changes[0])).toEqual(["hand-back worked"]);
  expect(attempts.map((attempt) => [attempt.role, attempt.state])).toEqual([
    ["worker", "succeeded"],
    ["worker", "succeeded"],
  ]);
  expect(attempts[1]?.sessionId).toBe(attempts[0]?.sessionId);
  expect(await landedFile(conflicts, "handed-back.txt")).toBe(BOTH);
});

test("where the hand-back fails, a resolver with an agent of its own resolves the conflict", async () => {
  const { attempts, status } = taskOf(conflicts, "resolved");
  expect(rungsOf(changeOf(conflicts, "resolved"))).toEqual(["hand-back failed", "resolver worked"]);
  expect(attempts.map((attempt) => [attempt.role, attempt.agent])).toEqual([
    ["worker", "shell"],
    ["worker", "shell"],
    ["resolver", "helper"],
  ]);
  expect(attempts[2]?.sessionId).not.toBe(attempts[0]?.sessionId);
  expect(status).toBe("closed");
  expect(await landedFile(conflicts, "resolved.txt")).toBe(BOTH);
});

test("agents that take one side whole are refused, and a person gets the change with the lines that would be gone", async () => {
  const task = taskOf(conflicts, "one side");
  const change = changeOf(conflicts, "one side");
  expect([change.state, change.landedCommit, task.status]).toEqual(["conflicted", null, "needs_input"]);
  expect(rungsOf(change)).toEqual(["hand-back failed", "resolver failed"]);
  for (const step of change.ladder)
    expect(step.detail).toBe("it would take away lines that others added: one-side.txt (2)");
  expect(change.lostLines).toEqual([
    { path: "one-side.txt", lines: ["middle by others", "end by others"], count: 2 },
  ]);
  expect(change.conflicts).toEqual([{ path: "one-side.txt", kind: "content" }]);
  expect(task.comments.at(-1)?.text).toContain("one-side.txt");
  expect(await landedFile(conflicts, "one-side.txt")).toBe(
    text("top", "middle by others", "bottom", "end by others").trimEnd(),
  );
  // The work is kept: the original, and what either agent made of it.
  expect(await userGit(conflicts.cwd, "show", `${change.commit}:one-side.txt`)).toContain("middle by task");
  for (const attempt of task.attempts)
    expect(await userGit(conflicts.cwd, "cat-file", "-t", attempt.capture?.ref ?? "none")).toBe("commit");
});

test("an agent that resolves its conflict and takes a stale copy of another file along is refused", async () => {
  const change = changeOf(conflicts, "reverts elsewhere");
  expect(rungsOf(change)).toEqual(["hand-back failed", "resolver worked"]);
  expect(change.ladder[0]?.detail).toBe("it would take away lines that others added: elsewhere.txt (2)");
  expect(await landedFile(conflicts, "reverted.txt")).toBe(BOTH);
  expect(await landedFile(conflicts, "elsewhere.txt")).toBe(
    text("top", "middle by others", "bottom", "end by others").trimEnd(),
  );
});

test("markers that are left are refused, and the next rung is told", async () => {
  const change = changeOf(conflicts, "marked");
  expect(rungsOf(change)).toEqual(["hand-back failed", "resolver worked"]);
  expect(change.ladder[0]?.detail).toBe("conflict markers are left in marked.txt");
  expect(await landedFile(conflicts, "marked.txt")).toBe(BOTH);
});

test("a file that one side deletes and the other edits is decided by the session, and what others did lives on", async () => {
  for (const key of ["edits what is gone", "deletes what others edit", "deletes what others renamed"])
    expect([key, ...rungsOf(changeOf(conflicts, key))]).toEqual([key, "hand-back worked"]);
  expect(await landedFile(conflicts, "others-delete.txt")).toBe("(gone)");
  expect(await landedFile(conflicts, "moved.txt")).toBe("top\nmiddle by task\nbottom");
  expect(await landedFile(conflicts, "task-deletes.txt")).toBe("(gone)");
  expect(await landedFile(conflicts, "kept.txt")).toBe("top\nmiddle by others\nbottom\nend by others");
  expect(await landedFile(conflicts, "new-name.txt")).toBe("top\nmiddle\nbottom\nit stays");
  expect(await landedFile(conflicts, "old-name.txt")).toBe("(gone)");
});

test("a generated file that conflicts is made anew by its command, without an agent", async () => {
  const task = taskOf(conflicts, "adds a dependency");
  const change = changeOf(conflicts, "adds a dependency");
  expect(rungsOf(change)).toEqual(["regenerate worked"]);
  expect(change.ladder[0]?.paths).toEqual(["lock.txt"]);
  expect(task.attempts).toHaveLength(1);
  expect(await landedFile(conflicts, "lock.txt")).toBe("a 1\nb 1\nc 1");
});

test("a repair agent mends a change that breaks the validation, and it lands with the task's own work", async () => {
  const change = changeOf(repairs, "mended");
  expect([change.state, rungsOf(change)]).toEqual(["landed", ["repair worked"]]);
  expect(taskOf(repairs, "mended").attempts.map((attempt) => attempt.role)).toEqual(["worker", "repair"]);
  expect(await landedFile(repairs, "parts/mended.txt")).toBe("GOOD");
  expect(await landedFile(repairs, "parts/own.txt")).toBe("kept");
});

test("repairs that do not help are used up, and a person is asked to look into it", async () => {
  for (const key of ["hopeless", "idle"]) {
    const task = taskOf(repairs, key);
    const change = changeOf(repairs, key);
    expect([key, change.state, ...rungsOf(change)]).toEqual([
      key,
      "failing",
      "repair failed",
      "repair failed",
    ]);
    expect(task.attempts.map((attempt) => attempt.role)).toEqual(["worker", "repair", "repair"]);
    expect([task.status, task.labels]).toEqual(["open", ["needs-investigation"]]);
    expect(task.comments.at(-1)?.text).toContain(`parts/${key}.txt`);
    expect(await landedFile(repairs, `parts/${key}.txt`)).toBe("(gone)");
  }
  expect(changeOf(repairs, "fine").state).toBe("landed");
});

test("the person's checkout is as it was, and nothing that was laid out for agents has landed", async () => {
  for (const outcome of [conflicts, repairs]) {
    expect(outcome.result.code, outcome.result.stdout).toBe(1);
    expect(outcome.after).toEqual(outcome.before);
    await checkNothingLaidOut(outcome);
  }
});
