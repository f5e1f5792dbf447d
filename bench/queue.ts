import { execFile } from "node:child_process";
import { appendFile, mkdir, mkdtemp, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Change } from "@canopy/protocol";
import type { BenchResult } from "./bench-result.ts";
import { percentileOf } from "./measure.ts";

const execute = promisify(execFile);
const CANOPY = fileURLToPath(new URL("../apps/cli/bin/canopy", import.meta.url));
const AGENTS_AT_ONCE = 6;
const CHANGES = 99;
const VALIDATION_S = 0.5;

/** How the queue is configured: as it comes, or one change at a time, which is what the seed of this project did. */
const WAYS = {
  "as it comes": "",
  "one by one": "[queue]\nwindow = 1\nmax_window = 1\nvalidators = 1\n",
} as const;

interface Measured {
  /** From the end of the last task's own attempt to the end of the last change. */
  readonly wallMs: number;
  readonly validations: number;
  readonly landed: number;
  readonly resolved: number;
  readonly withPerson: number;
  /** Commits on the branch whose tree is red: a superset of the red positions it was at. */
  readonly redCommits: number;
  /** How often the branch moved. */
  readonly moves: number;
  readonly p50Ms: number;
}

interface Bench {
  readonly folder: string;
  readonly cwd: string;
  readonly gates: string;
  readonly canopy: (...args: string[]) => Promise<string>;
  readonly git: (...args: string[]) => Promise<string>;
}

async function openBench(folder: string, config: string): Promise<Bench> {
  const env = {
    PATH: `${dirname(process.execPath)}:/usr/local/bin:/usr/bin:/bin`,
    HOME: folder,
    LANG: "C.UTF-8",
    CANOPY_HOME: join(folder, "canopy"),
    CANOPY_PORT: "0",
  };
  const [cwd, gates] = [join(folder, "repository"), join(folder, "gates")];
  const run = async (program: string, args: string[]): Promise<string> =>
    (await execute(program, args, { cwd, env, maxBuffer: 1 << 28 })).stdout;
  const bench: Bench = {
    folder,
    cwd,
    gates,
    canopy: async (...args) => await run(CANOPY, args),
    git: async (...args) =>
      await run("git", ["-c", "user.name=Bench", "-c", "user.email=bench@example.test", ...args]),
  };
  await mkdir(join(cwd, "files"), { recursive: true });
  await mkdir(join(cwd, ".canopy"));
  await mkdir(gates);
  await bench.git("init", "-q", "-b", "main");
  for (let index = 0; index < CHANGES; index += 1)
    await writeFile(join(cwd, "files", `${index}.txt`), "top\nmiddle\nbottom\n");
  await bench.git("add", ".");
  await bench.git("commit", "-qm", "Start");
  await appendFile(join(cwd, ".git/info/exclude"), "/.canopy/\n");
  await writeFile(join(cwd, ".canopy/config.toml"), configOf(gates, config));
  return bench;
}

/** Validations note that they run, and wait for the gate, so that the queue begins its work when all changes are there. */
function configOf(gates: string, config: string): string {
  const step = [
    `echo x >> '${gates}/ran'`,
    `while [ ! -e '${gates}/open' ]; do sleep 0.1; done`,
    `sleep ${VALIDATION_S}`,
    "! grep -rlE 'BAD|^<<<<<<<|^>>>>>>>' files",
  ].join("\n");
  return [
    `[sandbox]\ncache_mounts = [${JSON.stringify(gates)}]\n`,
    "[retries.validation]\nlimit = 0\n[validation]\nenabled = true\nmax_repair_attempts = 0\n",
    `[[validation.steps]]\nname = "bench"\ncommand = ${JSON.stringify(step)}\n`,
    config,
  ].join("");
}

const AGENT = [
  "command:cat > /dev/null",
  'case ",$CANOPY_TASK_LABELS," in *,canopy-hand-back,*)',
  "sed -i -e '/^||||||| /,/^=======$/d' -e '/^<<<<<<< /d' -e '/^=======$/d' -e '/^>>>>>>> /d' $CANOPY_TASK_DESCRIPTION ;;",
  '*) sed -i "s/^middle$/$CANOPY_TASK_TITLE/" $CANOPY_TASK_DESCRIPTION ;; esac',
].join("\n");

/** Every third change edits the line that the one before it edits; some of the others are red. */
function createTasks(red: number): { readonly title: string; readonly description: string }[] {
  const every = red === 0 ? Number.POSITIVE_INFINITY : Math.floor(CHANGES / red);
  return Array.from({ length: CHANGES }, (_value, index) => {
    const file = index % 3 === 2 ? index - 1 : index;
    const isRed = index % 3 === 0 && Math.floor((index + 3) / every) > Math.floor(index / every);
    return { title: `${isRed ? "BAD" : "done"} by ${index}`, description: `files/${file}.txt` };
  });
}

async function waitUntilAllAreQueued(bench: Bench): Promise<void> {
  for (const deadline = Date.now() + 120_000; Date.now() < deadline;) {
    const { changes } = JSON.parse(await bench.canopy("queue", "list", "--all", "--json")) as {
      changes: Change[];
    };
    if (changes.length === CHANGES) return;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  throw new Error("not all attempts have ended in time");
}

async function countRed(bench: Bench, commits: readonly string[]): Promise<number> {
  let count = 0;
  for (const commit of commits) {
    const found = await bench
      .git("grep", "-lE", "BAD|^<<<<<<<|^>>>>>>>", commit, "--", "files")
      .catch(() => "");
    if (found !== "") count += 1;
  }
  return count;
}

async function checkLines(bench: Bench, changes: readonly Change[]): Promise<void> {
  const text = await bench.git("grep", "-hE", "^done by ", "canopy/main", "--", "files");
  const lines = new Set(text.trim().split("\n"));
  const landed = changes.filter((change) => change.state === "landed").length;
  if (lines.size !== landed)
    throw new Error(`${landed} changes landed, and ${lines.size} of their lines are there`);
}

async function measureWay(config: string, red: number): Promise<Measured> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), "canopy-bench-queue-")));
  const bench = await openBench(folder, config);
  try {
    await writeFile(join(folder, "tasks.json"), JSON.stringify(createTasks(red)));
    await bench.canopy("task", "import", join(folder, "tasks.json"), "--json");
    const run = bench.canopy("run", "-c", String(AGENTS_AT_ONCE), "--agent", AGENT).catch(() => "");
    await waitUntilAllAreQueued(bench);
    const openedAtMs = Date.now();
    await writeFile(join(bench.gates, "open"), "");
    await run;
    const { changes } = JSON.parse(await bench.canopy("queue", "list", "--all", "--json")) as {
      changes: Change[];
    };
    await checkLines(bench, changes);
    // The branch only ever moved forward, so every position that it was at is among these.
    const commits = (await bench.git("rev-list", "main..canopy/main")).trim().split("\n");
    const landed = changes.filter((change) => change.state === "landed");
    const ends = changes.map((change) => (change.endedAtMs ?? 0) - openedAtMs);
    return {
      wallMs: Math.max(...ends),
      validations: (await readFile(join(bench.gates, "ran"), "utf8")).length / 2,
      landed: landed.length,
      resolved: landed.filter((change) => change.ladder.some((step) => step.rung === "hand-back")).length,
      withPerson: changes.filter(({ state, reason }) => state !== "landed" && reason !== null).length,
      redCommits: await countRed(bench, commits),
      moves: new Set(landed.map((change) => change.endedAtMs)).size,
      p50Ms: percentileOf(ends, 0.5),
    };
  } finally {
    await bench.canopy("down").catch(() => undefined);
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/**
 * How long the merge queue takes for changes that are all there, a third of which conflict, against the same program
 * configured to take one at a time. `red` of them break the validation (first argument, default none).
 */
export async function run(args: readonly string[]): Promise<BenchResult> {
  const red = Number(args[0] ?? 0);
  const rows: (string | number)[][] = [];
  const walls: number[] = [];
  for (const [name, config] of Object.entries(WAYS)) {
    if (args[1] !== undefined && args[1] !== name) continue;
    const found = await measureWay(config, red);
    walls.push(found.wallMs);
    rows.push([
      name,
      Math.round(found.wallMs / 100) / 10,
      Math.round(found.p50Ms / 100) / 10,
      found.validations,
      found.moves,
      found.landed,
      found.resolved,
      found.withPerson,
      found.redCommits,
    ]);
  }
  const factor = (walls[1] ?? Number.NaN) / (walls[0] ?? Number.NaN);
  return {
    name: "queue",
    columns: [
      "queue",
      "wall s",
      "p50 s",
      "validations",
      "moves",
      "landed",
      "handed back",
      "with a person",
      "red",
    ],
    rows,
    notes: [
      `${CHANGES} changes, a third of them conflicting, ${red} of them red; a validation takes ${VALIDATION_S} s.`,
      "Measured from when the last task's own attempt has ended to the end of the last change; hand-backs are within it.",
      `One by one takes ${factor.toFixed(1)} times as long. "red" counts the red trees among all commits of the branch, every position it was at included.`,
    ],
  };
}
