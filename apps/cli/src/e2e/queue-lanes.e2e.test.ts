import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { RunSummary } from "../run/summarize-run.ts";
import { createTestRepository, userGit } from "./create-test-repository.ts";
import { NOTHING_LEFT } from "./find-leftovers.ts";
import { openTestHome, parseJson } from "./open-test-home.ts";
import type { TestHome } from "./open-test-home.ts";

let home: TestHome;
beforeAll(async () => {
  home = await openTestHome();
});
afterAll(async () => {
  const left = await home.shutDown();
  await home[Symbol.asyncDispose]();
  expect(left).toEqual(NOTHING_LEFT);
});

async function run(cwd: string, agent: string, count = "4"): Promise<RunSummary> {
  const result = await home.canopy(["run", "-c", count, "--agent", `command:${agent}`, "--json"], { cwd });
  return parseJson<RunSummary>(result.stdout);
}

const COMMIT = "git -c user.name=Bot -c user.email=bot@example.test commit -qm";

test.each([
  ["squash", ["t"]],
  ["keep", ["t", "second step", "first step"]],
  ["merge", ["t"]],
] as const)(
  "strategy %s: what the agent committed, and what it did not, lands as configured",
  async (strategy, subjects) => {
    const cwd = join(home.root, `strategy-${strategy}`);
    const config = `[queue]\nstrategy = "${strategy}"\n`;
    await createTestRepository(cwd, { "a.txt": "a\n", ".canopy/config.toml": config });
    await home.ask(["task", "add", "t"], { cwd });
    const agent = `echo 1 > one.txt; git add .; ${COMMIT} "first step"; echo 2 > two.txt; git add .; ${COMMIT} "second step"; echo 3 > three.txt`;
    expect((await run(cwd, agent)).landed.length).toBe(1);
    const log = await userGit(cwd, "log", "--first-parent", "--format=%s", "main..canopy/main");
    expect(log.split("\n")).toEqual(subjects);
    const parents = (await userGit(cwd, "log", "-1", "--format=%P", "canopy/main")).split(" ");
    expect(parents.length).toBe(strategy === "merge" ? 2 : 1);
    expect(await userGit(cwd, "ls-tree", "--name-only", "canopy/main")).toBe(
      ".canopy\na.txt\none.txt\nthree.txt\ntwo.txt",
    );
    const body = await userGit(cwd, "log", "-1", "--format=%B", "canopy/main");
    expect(body).toMatch(/^Task: tsk_/m);
  },
);

test("scopes have lanes of their own: one that is red keeps nobody else from landing, nor has them validated again", async () => {
  const cwd = join(home.root, "lanes");
  const logs = join(home.root, "lane-logs");
  await mkdir(logs);
  const config = [
    `[sandbox]\ncache_mounts = [${JSON.stringify(logs)}]`,
    '[[queue.scopes]]\nname = "web"\npaths = ["web/**"]',
    '[[queue.scopes]]\nname = "api"\npaths = ["api/**"]',
    "[validation]\nenabled = true\nmax_repair_attempts = 0",
    '[[validation.steps]]\nname = "web"\nscopes = ["web"]',
    `command = "echo web >> ${logs}/ran; sleep 1; ! grep -r BAD web"`,
    '[[validation.steps]]\nname = "api"\nscopes = ["api"]',
    `command = "echo api >> ${logs}/ran; ! grep -r BAD api"`,
    "[retries.validation]\nlimit = 0",
  ].join("\n");
  await createTestRepository(cwd, {
    "web/a.txt": "a\n",
    "api/a.txt": "a\n",
    ".canopy/config.toml": `${config}\n`,
  });
  for (const title of ["web BAD", "api good", "web fine"]) await home.ask(["task", "add", title], { cwd });
  const agent = 'set -- $CANOPY_TASK_TITLE; echo "$2" > "$1/$2.txt"';
  const summary = await run(cwd, agent);
  expect(summary.landed.map((task) => task.title).sort()).toEqual(["api good", "web fine"]);
  expect(summary.failed.map((task) => task.title)).toEqual(["web BAD"]);
  const ran = (await readFile(join(logs, "ran"), "utf8")).trim().split("\n");
  // The api's step ran once: landings of the web leave its validation as it is.
  expect(ran.filter((line) => line === "api").length).toBe(1);
});
