import { appendFile, chmod, mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestRepository } from "./create-test-repository.ts";
import { NOTHING_LEFT, isProcessAlive } from "./find-leftovers.ts";
import type { TestHome } from "./open-test-home.ts";
import { openTestHome, parseJson } from "./open-test-home.ts";
import { waitFor } from "./wait-for.ts";

interface Check {
  readonly name: string;
  readonly state: string;
  readonly detail: string;
  readonly fixed?: boolean;
}

let home: TestHome;
let cwd = "";
let state = "";

beforeAll(async () => {
  home = await openTestHome();
  cwd = join(home.root, "web");
  state = join(home.canopyHome, "state");
  await createTestRepository(cwd);
});
afterAll(async () => {
  const left = await home.shutDown();
  await home[Symbol.asyncDispose]();
  expect(left).toEqual(NOTHING_LEFT);
});

async function doctor(...args: readonly string[]): Promise<{ code: number | null; checks: Check[] }> {
  const { code, stdout } = await home.canopy(["doctor", "--json", ...args], { cwd });
  return { code, checks: parseJson<{ checks: Check[] }>(stdout).checks };
}

function namesOf(checks: readonly Check[], isWanted: (check: Check) => boolean): string[] {
  return checks.filter((check) => isWanted(check)).map(({ name }) => name);
}

const FAILED = (check: Check): boolean => check.state === "failed";
const FIXED = (check: Check): boolean => check.fixed === true;

/** Ends the daemon as a power cut would: it cleans up nothing. */
async function killDaemon(): Promise<void> {
  const pid = home.daemonPid();
  if (pid === null) throw new Error("no daemon runs");
  process.kill(pid, "SIGKILL");
  await waitFor("the end of the daemon", () => (isProcessAlive(pid) ? null : true));
}

test("[B9] what is as it should be is no finding, on a new machine and with agents set up", async () => {
  expect(await doctor()).toMatchObject({ code: 0 });
  await mkdir(join(home.root, "home/.gemini"), { recursive: true });
  await home.canopy(["setup", "gemini"], { cwd });
  const { code, checks } = await doctor();
  expect([code, namesOf(checks, FAILED)]).toEqual([0, []]);
  expect(namesOf(checks, ({ name }) => name.startsWith("setup-"))).toEqual(["setup-gemini"]);
});

test("every fault is found, what can be mended is mended, and the rest is said again", async () => {
  const settings = join(home.root, "home/.gemini/settings.json");
  const client = join(state, "hook/canopy-hook");
  const mirror = join(state, "projects/prj_gone");
  const newer = join(state, "rooms/feature-ftr_x-newer.sqlite");
  const damaged = join(state, "rooms/feature-ftr_x-damaged.sqlite");
  await killDaemon();
  await mkdir(join(mirror, "archive"), { recursive: true, mode: 0o700 });
  await writeFile(join(mirror, "mail.md"), "old\n", { mode: 0o600 });
  await writeFile(join(mirror, "archive", "kept.md"), "a person's\n", { mode: 0o644 });
  await writeFile(settings, (await readFile(settings, "utf8")).replaceAll("canopy-hook", "canopy-hoo"));
  await writeFile(damaged, Buffer.alloc(8192, 7), { mode: 0o600 });
  const database = new DatabaseSync(newer);
  database.exec(
    "CREATE TABLE migrations (id TEXT, position INTEGER); INSERT INTO migrations VALUES ('later-9', 1)",
  );
  database.close();
  await chmod(newer, 0o600);

  const found = await doctor();
  expect([found.code, namesOf(found.checks, FAILED).toSorted()]).toEqual([
    1,
    ["daemon-lock", "orphans", "rooms", "rooms", "setup-gemini", "state-modes"],
  ]);
  // The daemon that it started puts the client back when it starts; so that one is broken while it runs.
  await appendFile(client, "# broken\n");
  const mended = await doctor("--fix");
  expect([mended.code, namesOf(mended.checks, FAILED), namesOf(mended.checks, FIXED).toSorted()]).toEqual([
    1,
    ["rooms", "rooms"],
    ["hook-client", "orphans", "setup-gemini", "state-modes"],
  ]);
  expect(mended.checks.filter(FAILED).map(({ detail }) => detail.split(": ")[0])).toEqual([
    `${damaged} is damaged`,
    `${newer} was written by a newer version`,
  ]);
  expect([
    (await stat(join(mirror, "archive/kept.md"))).mode & 0o777,
    await readFile(join(mirror, "archive/kept.md"), "utf8"),
  ]).toEqual([0o600, "a person's\n"]);
  await expect(stat(join(mirror, "mail.md"))).rejects.toMatchObject({ code: "ENOENT" });
  for (const path of [damaged, newer]) await rm(path);
  expect(await doctor()).toMatchObject({ code: 0 });
});

test("what a dead daemon left behind is removed", async () => {
  await killDaemon();
  const { code, checks } = await doctor("--fix");
  expect([code, namesOf(checks, FIXED)]).toEqual([0, ["daemon-lock"]]);
});

test("a second daemon of the same user is told: neither knows what the other's agents hold", async () => {
  const other = await openTestHome();
  try {
    await other.canopy(["up"]);
    const { code, checks } = await doctor();
    const told = checks.find(({ name }) => name === "daemons");
    // Other tests may have daemons of their own at the same time.
    expect([code, told?.state]).toEqual([0, "warning"]);
    expect(told?.detail).toContain(`pid ${other.daemonPid()} in ${join(other.canopyHome, "state")}`);
  } finally {
    const left = await other.shutDown();
    await other[Symbol.asyncDispose]();
    expect(left).toEqual(NOTHING_LEFT);
  }
});
