// Random work in monitored workspaces, checked against a git that looks at every file itself.
// Run as a program (`node monitor-scenario.ts BACKEND FIRST_SEED RUNS`), it prints how many runs there were or what differed.
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, realpath, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { GitMonitor } from "./change-monitor.ts";
import type { CheckoutSource } from "./layer-store.ts";
import { openWorkspaceStore } from "./open-workspace-store.ts";
import { removeTree } from "./remove-tree.ts";
import { BACKEND_NAMES } from "./workspace-metadata.ts";
import type { BackendName } from "./workspace-metadata.ts";
import type { WorkspaceStore } from "./workspace-store.ts";
import type { Workspace } from "./workspace.ts";

const execute = promisify(execFile);

const TOKEN = "canopy-1";
const QUIET = ["-c", `core.fsmonitor=printf '${TOKEN}\\0'; :`, "-c", "core.fsmonitorHookVersion=2"];

/** Git's environment in the scenario: nobody's configuration, a fixed author. */
export function scenarioEnvironment(): Record<string, string> {
  return {
    PATH: process.env["PATH"] ?? "",
    HOME: "/nonexistent",
    LANG: "C.UTF-8",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_AUTHOR_NAME: "A",
    GIT_AUTHOR_EMAIL: "a@b",
    GIT_COMMITTER_NAME: "A",
    GIT_COMMITTER_EMAIL: "a@b",
  };
}

/** A repository of two commits with a store of workspaces beside it. Disposing removes both. */
export interface MonitorScenario extends AsyncDisposable {
  readonly root: string;
  readonly store: WorkspaceStore;
  /** The older commit becomes a full layer, the newer one a difference on it. */
  readonly older: CheckoutSource;
  readonly newer: CheckoutSource;
}

function createSource(origin: string, commit: string): CheckoutSource {
  const env = scenarioEnvironment();
  const monitor: GitMonitor = { configFile: ".git/canopy-monitor", token: TOKEN, commit };
  return {
    commit,
    async populate(directory): Promise<void> {
      const git = (...args: string[]): Promise<unknown> => execute("git", args, { cwd: directory, env });
      await git("clone", "-q", "--shared", "--no-checkout", origin, ".");
      await git("reset", "-q", "--hard", commit);
      await git("config", "core.untrackedCache", "true");
      await git("config", "include.path", "canopy-monitor");
    },
    advance: (from) => ({
      commands: [
        ["git", ...QUIET, "read-tree", "-m", "-u", from, commit],
        ["git", "update-ref", "refs/heads/main", commit],
      ],
      env,
    }),
    prime: { commands: [["git", ...QUIET, "status", "--porcelain"]], env },
    monitor,
  };
}

const FILL = `
git init -q -b main
for d in a a/b a/b/c a/b/c/e g 'h i' h; do
  mkdir -p "$d"
  for f in 1 2 3; do echo "$d $f" > "$d/f$f"; done
done
echo root > f1; echo two > f2; ln -s f1 link; echo run > tool; chmod +x tool
for n in 1 2 3 4 5 6 7 8 9; do mkdir -p many/$n; for m in 1 2 3 4 5 6 7 8 9; do echo $n$m > many/$n/f$m; done; done
printf '*.log\\nbuild/\\nvendor/\\n' > .gitignore; echo '!keep.log' > a/.gitignore
git add -A; git commit -q -m one
git rm -q -r h many/3 g/f1; echo more > a/f4; mkdir h; echo file > h/new; echo changed > a/b/f2; ln -s a/b to-folder
rm -r many/4; echo now > many/4
git add -A; git commit -q -m two`;

/** Makes a scenario in a temporary folder. */
export async function openMonitorScenario(backend: BackendName): Promise<MonitorScenario> {
  const root = await realpath(await mkdtemp(join(tmpdir(), "canopy-monitor-")));
  const origin = join(root, "origin");
  await mkdir(join(origin, "../bring/vendor/lib"), { recursive: true });
  await writeFile(join(root, "bring/vendor/lib/x"), "x\n");
  await mkdir(join(root, "bring/parts"), { recursive: true });
  await writeFile(join(root, "bring/parts/y"), "y\n");
  await mkdir(origin);
  const env = scenarioEnvironment();
  await execute("sh", ["-ec", FILL], { cwd: origin, env });
  const commits = await execute("git", ["rev-list", "--reverse", "HEAD"], { cwd: origin, env });
  const [older = "", newer = ""] = commits.stdout.trim().split("\n");
  const store = await openWorkspaceStore({ cacheDirectory: join(root, "cache, it's\\odd"), backend });
  return {
    root,
    store,
    older: createSource(origin, older),
    newer: createSource(origin, newer),
    async [Symbol.asyncDispose](): Promise<void> {
      await store[Symbol.asyncDispose]();
      await removeTree(root);
    },
  };
}

/** A generator of numbers below a limit that gives the same ones for the same seed (mulberry32). */
function createRandom(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}

const FOLDERS = [
  ".",
  "a",
  "a/b",
  "a/b/c",
  "a/b/c/e",
  "g",
  "h",
  "h i",
  "many/1",
  "many/3",
  "many/4",
  "many",
  "new",
  "new/x",
  "build",
  "vendor",
  "parts",
  "a/deep/er",
];
const NAMES = [
  "f1",
  "f2",
  "f3",
  "f4",
  "new file",
  "x.log",
  "keep.log",
  "-dash",
  ".GIT",
  "git~1",
  'é"q',
  "b",
  "c",
  "link",
  "f",
];

// Each is a line of shell; D and E stand for folders, F and G for files, N for a number. Failures are part of the game.
const STEPS = String.raw`
echo N > F
echo N > F
mkdir -p D && echo N > F
mkdir -p D && echo N > F
echo N >> F
echo N >> F
rm F
rm F
rm -f F; echo N > F
touch F
chmod +x F
chmod -x F
chmod 700 D
mv F G
mv F G
mv D E
mv D D-moved
mv D-moved D
echo t > D/tmp.tmp && mv D/tmp.tmp F
echo t > F && rm F
ln -sf f1 F
rm -f F; ln -s G F
ln -f F G
sed -i s/[0-9]/N/ F
cp -p F D/stamp; printf X | dd of=F conv=notrunc status=none; touch -r D/stamp F; rm D/stamp
rm -r D
rm -r D; mkdir D
rm -r D; mkdir D; echo N > F
rm -r D; cp -r E D
mkdir -p D
rmdir D
rm -rf D; echo file > D
rm -f F; mkdir F; echo in > F/in
rm -rf F; mkdir -p F/f1/f1
cp -r D D-copy; rm -r D; mv D-copy D
echo '*.tmp' >> D/.gitignore
rm D/.gitignore
echo 'f*' > D/.gitignore
printf '*.log\nparts/\n' > .gitignore
echo f3 >> .git/info/exclude
git add F
git add D
git add -A
git add --intent-to-add F
git rm -q --cached F
git rm -q -f F
git rm -r -q --cached D
git mv F G
git commit -q -m N
git commit -q -a -m N
git commit -q -m N -- F
git add -A; git commit -q -m N
git reset -q
git reset -q --hard
git reset -q --soft HEAD~1
git reset -q HEAD~1
git reset -q --hard HEAD~1
git reset -q ORIG_HEAD
git checkout -q -- F
git checkout -q -- D
git checkout -q HEAD~1
git checkout -q main
git checkout -q -B side
git checkout -q side
git merge -q -m m side
git stash -q
git stash -q -u
git stash pop -q
git clean -fdq
git clean -fdxq D
git diff HEAD --binary > "$T/p"; git reset -q --hard; git apply --index "$T/p"; rm -f F
git apply --index "$T/p"
git apply -R --index "$T/p"
git update-index --refresh
git update-index --assume-unchanged F
git update-index --no-assume-unchanged F
git read-tree HEAD
git read-tree -m -u HEAD
git add -A; rm -r D
git add -A; rm F; git add -A
git worktree add -q -f --detach "$T/wt" HEAD; git -C "$T/wt" status; git worktree remove -f "$T/wt"
GIT_INDEX_FILE="$T/other" git read-tree HEAD~1; GIT_INDEX_FILE="$T/other" git status; cp "$T/other" .git/index
GIT_WORK_TREE="$T" git status
git init -q D/inner; echo N > D/inner/f1
rm -rf D/inner
git -c core.fsmonitor=false status
git -c core.untrackedCache=false status
git gc -q
mkdir -p D; echo N > D/f1; git add D/f1; git status; rm D/f1
mkdir -p D/u; echo N > D/u/f; git add -A; git status; rm -r D/u
git mv D E
[ -f .git ] || git init -q --separate-git-dir="$T/git-$$"
GIT_DIR="$PWD/.git" git add -A
echo N > zz; git status; rm zz
`
  .trim()
  .split("\n");

const PROLOGUE = `T=$TMPDIR; export T
plain() { GIT_OPTIONAL_LOCKS=0 git -c core.fsmonitor=false -c core.untrackedCache=false status --porcelain=v1 $1; }
tree() { cp "$(git rev-parse --git-path index)" "$T/i"; (export GIT_INDEX_FILE="$T/i"; git $1 add -A && git write-tree) 2>/dev/null || echo none; }
same() { [ "$1" = "$2" ] || { printf 'DIFFERENT after step %s: %s\\nmonitored:\\n%s\\nplain:\\n%s\\n' "$3" "$4" "$1" "$2"; exit 3; }; }
check() {
  for u in $2; do same "$(git status --porcelain=v1 $u)" "$(plain $u)" "$1" "status $u"; done
  if [ -n "$3" ]; then same "$(tree '')" "$(tree '-c core.fsmonitor=false -c core.untrackedCache=false')" "$1" tree; fi
}
`;

/** The shell script of a seed. */
function writeScript(seed: number, stepCount: number): string {
  const random = createRandom(seed);
  const pick = <T>(list: readonly [T, ...T[]] | readonly T[]): T => {
    const chosen = list[random(list.length)];
    if (chosen === undefined) throw new Error("an empty list");
    return chosen;
  };
  const quote = (text: string): string => `'${text}'`;
  const lines = [PROLOGUE];
  for (let step = 1; step <= stepCount; step += 1) {
    const folder = pick(FOLDERS);
    const other = pick(FOLDERS);
    const values: Record<string, string> = {
      D: quote(`./${folder}`),
      E: quote(`./${other}`),
      F: quote(`./${folder}/${pick(NAMES)}`),
      G: quote(`./${other}/${pick(NAMES)}`),
      N: String(random(10)),
    };
    const line = pick(STEPS).replace(/\b[DEFGN]\b/g, (name) => values[name] ?? name);
    lines.push(
      `( ${line} ) >/dev/null 2>&1 </dev/null; echo "${step} ${line.replace(/["$\\`]/g, "_")}" >> "$T/steps"`,
    );
    if (random(3) === 0)
      lines.push(
        `check ${step} '${pick(["-unormal", "-uall", "-unormal -uall", "-unormal -unormal"])}' '${random(4) === 0 ? "tree" : ""}'`,
      );
  }
  lines.push(`check ${stepCount} '-unormal -uall' tree`, "echo same");
  return lines.join("\n");
}

async function textOf(stream: AsyncIterable<Uint8Array>): Promise<string> {
  let text = "";
  for await (const chunk of stream) text += Buffer.from(chunk).toString("utf8");
  return text;
}

/** Runs a shell script in a workspace and answers what it printed on both streams. */
export async function runScript(workspace: Workspace, script: string): Promise<string> {
  const env = { ...workspace.env, ...scenarioEnvironment() };
  const handle = await workspace.spawn(["sh", "-c", script], { env });
  handle.endInput();
  const [output, errors] = await Promise.all([textOf(handle.stdout), textOf(handle.stderr), handle.exited]);
  return `${output}${errors}`.trim();
}

/** Does the random work of a seed in a workspace of its own; null when the answers were always the same. */
export async function runSeed(
  scenario: MonitorScenario,
  seed: number,
  stepCount = 30,
): Promise<string | null> {
  const workspace = await scenario.store.createWorkspace({
    workspaceId: `seed-${seed}`,
    project: { projectId: "prj_monitor", name: "repo" },
    source: seed % 2 === 0 ? scenario.older : scenario.newer,
    ...(seed % 5 === 0
      ? { bring: { from: join(scenario.root, "bring"), directories: ["vendor", "parts"] } }
      : {}),
  });
  try {
    const output = await runScript(workspace, writeScript(seed, stepCount));
    if (output.endsWith("same") && !output.includes("DIFFERENT")) return null;
    return `seed ${seed}:\n${output}\n${await runScript(workspace, 'cat "$TMPDIR/steps"')}`;
  } finally {
    await workspace.dispose();
  }
}

if (process.argv[1] === import.meta.filename) {
  const [backend, first, runs] = process.argv.slice(2);
  const chosen = BACKEND_NAMES.find((name) => name === backend) ?? "overlay";
  await using scenario = await openMonitorScenario(chosen);
  await (
    await scenario.store.createWorkspace({
      workspaceId: "first",
      project: { projectId: "prj_monitor", name: "repo" },
      source: scenario.older,
    })
  ).dispose();
  const failures: string[] = [];
  for (let seed = Number(first); seed < Number(first) + Number(runs); seed += 1) {
    const failure = await runSeed(scenario, seed);
    if (failure !== null) failures.push(failure);
    if (failures.length >= 3) break;
  }
  process.stdout.write(
    failures.length === 0 ? `${runs} runs: always the same\n` : `${failures.join("\n\n")}\n`,
  );
  process.exitCode = failures.length === 0 ? 0 : 1;
}
