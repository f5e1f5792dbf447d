// Runs on whatever Node (20 or later) is installed: installs what is missing, then hands over to the
// Node 24 that the lockfile brings. Plain JavaScript, no dependencies, because nothing is installed yet.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const binDir = join(root, "node_modules", ".bin");
const stampPath = join(root, "node_modules", ".canopy-install-stamp");

const env = {
  ...process.env,
  PATH: `${binDir}${delimiter}${process.env.PATH ?? ""}`,
  NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(root, "node_modules", ".cache", "compile"),
};

function fail(message) {
  process.stderr.write(`canopy: ${message}\n`);
  process.exit(1);
}

function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: "inherit", env, ...options });
  if (result.error) fail(`cannot run ${command}: ${result.error.message}`);
  return result.status ?? (result.signal === "SIGINT" ? 130 : 1);
}

function lockfileHash() {
  return createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .digest("hex");
}

function install() {
  const wanted = lockfileHash();
  if (existsSync(stampPath) && readFileSync(stampPath, "utf8") === wanted) return;
  process.stderr.write("canopy: installing dependencies (once)...\n");
  const status = run("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
    stdio: ["ignore", 2, 2],
  });
  if (status !== 0) fail("npm ci failed; see the lines above");
  mkdirSync(dirname(stampPath), { recursive: true });
  writeFileSync(stampPath, wanted);
}

function node24() {
  const bundled = join(binDir, "node");
  if (existsSync(bundled)) return bundled;
  const major = Number(process.versions.node.split(".")[0]);
  if (major >= 24) return process.execPath;
  return fail(
    `Canopy needs Node 24 and found ${process.versions.node}; no prebuilt Node 24 package exists for ` +
      `${process.platform}-${process.arch}. Install Node 24 and run the command again.`,
  );
}

function requireGit() {
  const result = spawnSync("git", ["--version"], { encoding: "utf8" });
  if (result.error)
    fail("git is not installed. Install it (Debian: apt-get install git) and run the command again.");
  const match = /(\d+)\.(\d+)/.exec(result.stdout);
  const [major, minor] = match ? [Number(match[1]), Number(match[2])] : [0, 0];
  if (major < 2 || (major === 2 && minor < 38)) {
    fail(`git 2.38 or later is needed (merge-tree --write-tree); found ${result.stdout.trim()}`);
  }
}

const [task, ...rest] = process.argv.slice(2);
if (Number(process.versions.node.split(".")[0]) < 20)
  fail(`Node 20 or later is needed, found ${process.versions.node}`);
requireGit();
install();
const node = node24();

const tasks = {
  install: () => 0,
  start: () => run(node, ["apps/cli/src/main.ts", "demo", ...rest]),
  canopy: () =>
    run(node, [join(root, "apps/cli/src/main.ts"), ...rest], { cwd: process.env.INIT_CWD ?? root }),
  test: () => run(node, ["tools/run-tests.ts", ...rest]),
  check: () => run(node, ["tools/run-checks.ts", ...rest]),
  bench: () => run(node, ["bench/main.ts", ...rest]),
  format: () => run("oxfmt", ["."]),
};
if (!Object.hasOwn(tasks, task ?? ""))
  fail(`unknown task '${task ?? ""}'; one of: ${Object.keys(tasks).join(", ")}`);
process.exit(tasks[task]());
