// Brings a private Podman for the tests of containers into a cache outside the dependencies: packages of this machine's distribution are
// downloaded and unpacked there. Nothing is installed and nothing of the machine changes, its package lists included.
// Run by `npm test`. What cannot be had is named, and the tests are skipped by name; nothing fails. `CANOPY_ENGINE=off` leaves it out.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { findEngine } from "../packages/workspace/src/container/find-engine.ts";
import {
  describePrivateEngine,
  privateEngineFolder,
} from "../packages/workspace/src/container/test-support/find-private-engine.ts";

const DOWNLOAD_MS = 120_000;
const PACKAGES = ["podman", "conmon", "runc"];
/** Which package has a library, for those that a small machine may not have. */
const LIBRARY_PACKAGES: Readonly<Record<string, string>> = {
  "libgpgme.so.11": "libgpgme11",
  "libassuan.so.0": "libassuan0",
  "libgpg-error.so.0": "libgpg-error0",
  "libsubid.so.4": "libsubid4",
  "libseccomp.so.2": "libseccomp2",
  "libdevmapper.so.1.02.1": "libdevmapper1.02.1",
  "libglib-2.0.so.0": "libglib2.0-0",
  "libpcre2-8.so.0": "libpcre2-8-0",
  "libsystemd.so.0": "libsystemd0",
};
/** What other packages want to be run after an update is not run after one of ours. */
const APT_SETTINGS = `APT::Sandbox::User "root";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
`;

class CannotBeHad extends Error {}

function run(command: readonly [string, ...string[]], cwd: string): string {
  const [program, ...args] = command;
  const env = { ...process.env, LC_ALL: "C" };
  const result = spawnSync(program, args, { cwd, env, encoding: "utf8", timeout: DOWNLOAD_MS });
  if (result.status === 0) return result.stdout;
  const said = (result.error?.message ?? result.stderr).trim().split("\n")[0];
  throw new CannotBeHad(`${program}: ${said}`);
}

/** Downloads into `work`, by the lists of the machine, or by fresh ones of our own where those do not do. */
function download(packages: readonly string[], work: string): void {
  const settings = join(work, "apt.conf");
  writeFileSync(settings, APT_SETTINGS);
  try {
    run(["apt-get", "-qq", "-c", settings, "download", ...packages], work);
  } catch {
    const lists = join(work, "lists");
    mkdirSync(join(lists, "partial"), { recursive: true });
    const ours = ["-qq", "-c", settings, "-o", `Dir::State::Lists=${lists}`];
    if (!existsSync(join(lists, "lock"))) run(["apt-get", ...ours, "update"], work);
    run(["apt-get", ...ours, "download", ...packages], work);
  }
}

function unpack(work: string, folder: string): void {
  for (const name of readdirSync(work).filter((each) => each.endsWith(".deb"))) {
    run(["dpkg", "-x", join(work, name), folder], work);
    rmSync(join(work, name));
  }
}

function listMissing(folder: string): string[] {
  const { libraries, podman, conmon, runc } = describePrivateEngine(folder);
  const env = { ...process.env, LC_ALL: "C", LD_LIBRARY_PATH: libraries };
  const { stdout } = spawnSync("ldd", [podman, conmon, runc], { env, encoding: "utf8" });
  return [...stdout.matchAll(/^\s*(\S+) => not found/gm)].map(([, name = ""]) => name);
}

/** Makes it beside the place and then moves it there, so that a broken download is never taken for an engine. */
function install(folder: string): void {
  const fresh = `${folder}.${process.pid}`;
  const work = join(fresh, ".work");
  mkdirSync(work, { recursive: true });
  try {
    download(PACKAGES, work);
    unpack(work, fresh);
    for (let missing = listMissing(fresh), before = ""; missing.length > 0; missing = listMissing(fresh)) {
      const packages = missing.map((name) => LIBRARY_PACKAGES[name]).filter((name) => name !== undefined);
      const wanted = [...new Set(packages)].toSorted().join(" ");
      if (packages.length < missing.length || wanted === before)
        throw new CannotBeHad(`no package is known to have ${missing.join(", ")}`);
      before = wanted;
      download(wanted.split(" "), work);
      unpack(work, fresh);
    }
    rmSync(work, { recursive: true });
    rmSync(folder, { recursive: true, force: true });
    renameSync(fresh, folder);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

const { folder, reason } = privateEngineFolder();
if (folder === null) {
  process.stdout.write(`engine: the private Podman is left out: ${reason}\n`);
} else if (
  (await findEngine(process.env["CANOPY_TEST_ENGINE"] ?? null)).engine === null &&
  !(existsSync(folder) && listMissing(folder).length === 0)
) {
  process.stdout.write("engine: fetching a private Podman (once)...\n");
  mkdirSync(dirname(folder), { recursive: true });
  try {
    install(folder);
  } catch (error) {
    if (!(error instanceof CannotBeHad)) throw error;
    process.stdout.write(
      `engine: Podman cannot be had, the tests of containers are skipped: ${error.message}\n`,
    );
  }
}
