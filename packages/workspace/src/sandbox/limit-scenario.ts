import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openWorkspaceStore } from "../open-workspace-store.ts";
import type { Workspace } from "../workspace.ts";
import type { BackendName } from "../workspace-metadata.ts";
import type { WorkspaceStore } from "../workspace-store.ts";
import { PROCESS_SETTINGS } from "./sandbox-settings.ts";
import type { SandboxLevel, SandboxLimits } from "./sandbox-settings.ts";

// Run by limit-scenario.e2e.test.ts as a program of its own, as root or as an ordinary user: takes too much of everything at
// each level, with limits (but at level `none`, which has none), with control groups and without, and prints what came of it.
const [base = ""] = process.argv.slice(2);
const MEGA = 2 ** 20;

/** Something that takes too much. The script prints `GOT` when it was not stopped. */
interface Attempt {
  readonly name: string;
  readonly script: string;
  readonly limits: SandboxLimits;
}

/** With a limit there is time for it to be noticed, however busy the machine is. */
const HOLD = '[ -z "$LIMITED" ] || sleep 20; echo GOT';
const GROW = `perl -e 'my $x = ""; $x .= "a" x (1 << 20) for 1 .. 300; sleep 15 if $ENV{LIMITED}; print "GOT\\n" if length $x > 299 << 20'`;
const ATTEMPTS: readonly Attempt[] = [
  {
    name: "memory hog",
    script: `perl -e 'my $x = "a" x (300 << 20); print "GOT\\n" if length $x'`,
    limits: { memoryBytes: 128 * MEGA },
  },
  { name: "memory hog that grows", script: GROW, limits: { memoryBytes: 128 * MEGA } },
  {
    name: "memory hog that leaves its control group",
    script: `for f in memory/tasks memory/cgroup.procs cgroup.procs; do echo $$ 2>/dev/null > /sys/fs/cgroup/$f && break; done 2>/dev/null; ${GROW}`,
    limits: { memoryBytes: 128 * MEGA },
  },
  {
    name: "memory hogs that are large together",
    script: `perl -e 'my @p; for (1 .. 4) { my $p = fork; if ($p) { push @p, $p; next } my $x = "a" x (40 << 20); sleep($ENV{LIMITED} ? 15 : 1); exit } for (1 .. 4) { wait; $? and kill(9, @p), exit 1 } print "GOT\\n"'`,
    limits: { memoryBytes: 128 * MEGA },
  },
  {
    name: "process flood",
    script: `perl -e 'my @p; for (1 .. 150) { my $p = fork; defined $p or sleep(3), kill(9, @p), exit 1; if (!$p) { sleep 30; exit } push @p, $p } sleep 15 if $ENV{LIMITED}; print "GOT\\n"; kill 9, @p'`,
    limits: { processCount: 60 },
  },
  {
    name: "descriptor flood",
    script: `perl -e 'my @f; for (1 .. 600) { open my $f, "<", "file" or die "file: $!"; push @f, $f } print "GOT\\n"'`,
    limits: { openFileCount: 256 },
  },
  {
    name: "one large file",
    script: "head -c 40000000 /dev/zero > big && echo GOT",
    limits: { diskBytes: 20 * MEGA },
  },
  {
    name: "many files that are large together",
    script: `for i in 1 2 3 4 5 6 7 8; do head -c 5000000 /dev/zero > "$HOME/big$i"; done; ${HOLD}`,
    limits: { diskBytes: 20 * MEGA },
  },
  {
    name: "files that are removed while they are open",
    script: `perl -e 'my @f; for (1 .. 8) { open my $f, ">", "gone$_"; unlink "gone$_"; print $f "a" x 5_000_000; $f->flush; push @f, $f } sleep 15 if $ENV{LIMITED}; print "GOT\\n"'`,
    limits: { diskBytes: 20 * MEGA },
  },
  {
    name: "many files in TMPDIR",
    script: `perl -e 'for (1 .. 4000) { open my $f, ">", "$ENV{TMPDIR}/canopy-limit-$$-$_" or exit 1 }'; ${HOLD}; rm -f "$TMPDIR"/canopy-limit-*`,
    limits: { fileCount: 2000 },
  },
  { name: "a long run", script: `sleep 1; ${HOLD}`, limits: { wallMs: 500 } },
  {
    name: "a greedy loop",
    script: `perl -e 'my $end = time + 5; while (time < $end) { (times)[0] + (times)[1] > 0.4 or next; print "GOT\\n"; last }'`,
    limits: { cpuCount: 0.03 },
  },
];

async function execute(workspace: Workspace, script: string): Promise<string> {
  const handle = await workspace.spawn(["sh", "-c", script], {
    env: { ...workspace.env, LIMITED: workspace.sandboxLevel === "none" ? "" : "1" },
  });
  handle.endInput();
  let output = "";
  const collect = async (stream: AsyncIterable<Uint8Array>): Promise<void> => {
    for await (const chunk of stream)
      output = (output + Buffer.from(chunk).toString("latin1")).slice(0, 4_000);
  };
  await Promise.all([collect(handle.stdout), collect(handle.stderr), handle.exited]);
  return output;
}

async function attack(store: WorkspaceStore, level: SandboxLevel, attempt: Attempt): Promise<string> {
  const workspace = await store.createWorkspace({
    // Without a namespace processes are found by it.
    workspaceId: `limit-${store.choice.backend}-${level}-${ATTEMPTS.indexOf(attempt)}`,
    project: { projectId: "prj_limit", name: "limit" },
    source: { commit: "c", populate: (directory) => writeFile(join(directory, "file"), "x") },
    sandbox: { ...PROCESS_SETTINGS, level, network: "deny", limits: attempt.limits },
  });
  const output = await execute(workspace, attempt.script);
  const hit = await workspace.describeLimitHit();
  await workspace.dispose();
  return output.includes("GOT\n") ? "worked" : `stopped: ${hit ?? "by an error"}`;
}

async function attackAll(
  level: SandboxLevel,
  hasControlGroups: boolean,
  backend?: BackendName,
): Promise<Record<string, string>> {
  const cacheDirectory = join(base, `cache-${level}-${hasControlGroups}-${backend ?? ""}`);
  await using store = await openWorkspaceStore({
    cacheDirectory,
    hasControlGroups,
    ...(backend === undefined ? {} : { backend }),
  });
  // Without a namespace a look takes so long that a loop gets far before it is held back.
  const attempts = ATTEMPTS.filter(({ limits }) => backend !== "copy" || limits.cpuCount === undefined);
  const found = await Promise.all(
    attempts.map(async (attempt) => [attempt.name, await attack(store, level, attempt)] as const),
  );
  return Object.fromEntries(found);
}

const none = await attackAll("none", true);
const [atProcess, sandbox] = await Promise.all([attackAll("process", true), attackAll("sandbox", true)]);
const [processAlone, sandboxAlone, plainAlone] = await Promise.all([
  attackAll("process", false),
  attackAll("sandbox", false),
  attackAll("process", false, "copy"),
]);
process.stdout.write(
  `${JSON.stringify({ none, process: atProcess, sandbox, processAlone, sandboxAlone, plainAlone })}\n`,
);
