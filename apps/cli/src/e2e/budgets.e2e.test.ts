import { join } from "node:path";
import type { Attempt, Inquiry } from "@canopy/protocol";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RunSummary } from "../run/summarize-run.ts";
import { createTestRepository, userGit, writeFiles } from "./create-test-repository.ts";
import { NOTHING_LEFT } from "./find-leftovers.ts";
import { openTestHome, parseJson } from "./open-test-home.ts";
import type { TestHome } from "./open-test-home.ts";
import { killDaemon } from "./kill-daemon.ts";
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

/**
 * Writes a file and spends what its task says, then waits to be ended; as the cheaper model, or in a later attempt, it finishes at once. It
 * speaks as Claude does in one-shot mode: a command costs no model, and its prices are its own.
 */
const AGENT = String.raw`
cat > /dev/null
if [ "$CANOPY_MODEL" = cheap ] || [ "$CANOPY_ATTEMPT_NUMBER" != 1 ]; then echo whole > whole.txt; exit 0; fi
echo half > half.txt
step() { printf '{"type":"assistant","message":{"id":"m","content":[{"type":"tool_use","id":"t%s","name":"Read","input":{}}]}}\n' $1; }
case "$CANOPY_TASK_DESCRIPTION" in
  *cost_usd*) echo '{"type":"result","subtype":"success","total_cost_usd":0.5}';;
  *tokens*) echo '{"type":"result","subtype":"success","modelUsage":{"m":{"inputTokens":200,"outputTokens":100}}}';;
  *turns*) step 1; step 2; step 3;;
esac
case "$CANOPY_TASK_DESCRIPTION" in *ends*) exit 0;; esac
sleep 60
`;

type Scope = "session" | "task" | "run" | "day";
type Limit = "cost_usd" | "tokens" | "turns" | "time";
type Action = "stop" | "ask" | "cheaper";

const LIMITS: Readonly<Record<Limit, string>> = { cost_usd: "0.4", tokens: "250", turns: "3", time: '"1s"' };
const SPENT: Readonly<Record<Limit, RegExp>> = {
  cost_usd: /0\.5 of 0\.4 USD/,
  tokens: /300 of 250 tokens/,
  turns: /3 of 3 steps/,
  time: /\d of 1 s/,
};

function configure(scope: Scope, limit: Limit, value: string, action: Action = "stop"): string {
  return `[run]
agent = "spender"
[agents.spender]
driver = "command"
output = "claude"
command = ${JSON.stringify(AGENT)}
[budgets]
at_limit = "${action}"
cheaper_model = "cheap"
[budgets.${scope}]
${limit} = ${value}
`;
}

async function createProject(name: string, config: string, descriptions: readonly string[]): Promise<string> {
  const cwd = join(home.root, name);
  await createTestRepository(cwd, { "README.md": "# Work\n", ".gitignore": ".canopy/\n" });
  await writeFiles(cwd, { ".canopy/config.toml": config });
  for (const description of descriptions)
    await home.ask(["task", "add", "Work", "--description", description], { cwd });
  return cwd;
}

interface Ran {
  readonly code: number | null;
  readonly summary: RunSummary;
}

async function run(cwd: string): Promise<Ran> {
  const { code, stdout } = await home.canopy(["run", "--max-retries", "0", "--json"], { cwd });
  return { code, summary: parseJson<RunSummary>(stdout) };
}

async function readAttempts(cwd: string, number = "1"): Promise<Attempt[]> {
  return (await home.ask<{ attempts: Attempt[] }>(["task", "show", number], { cwd })).attempts;
}

async function isLanded(cwd: string): Promise<boolean> {
  return (await userGit(cwd, "ls-tree", "--name-only", "canopy/main")).split("\n").includes("whole.txt");
}

/** What was done until then is kept. */
async function readKept(cwd: string, attempt: Attempt | undefined): Promise<string> {
  return await userGit(cwd, "show", `${attempt?.capture?.ref ?? "none"}:half.txt`);
}

const DESCRIBED = { session: "session", task: "task", run: "run", day: "day" } as const;

describe.concurrent("at its budget's end work is stopped, kept, and goes on when there is more", () => {
  test.for([
    ["session", "turns"],
    ["task", "tokens"],
    ["run", "cost_usd"],
    ["day", "time"],
  ] as const)("for a %s, in %s", async ([scope, limit]) => {
    const cwd = await createProject(`stop-${scope}`, configure(scope, limit, LIMITS[limit]), [limit]);
    const first = await run(cwd);
    expect(first.code).toBe(1);
    const [stopped] = await readAttempts(cwd);
    expect([stopped?.state, stopped?.failure?.cause]).toEqual([
      "failed",
      scope === "run" || scope === "day" ? "run-budget" : "budget",
    ]);
    const message = stopped?.failure?.message ?? "";
    expect(message).toContain(`the ${DESCRIBED[scope]}'s budget is used up`);
    expect(message).toMatch(SPENT[limit]);
    expect(first.summary.failed.map((task) => task.detail).join()).toContain(message);
    const shown = await home.canopy(["task", "show", "1"], { cwd });
    expect(shown.stdout).toContain(message);
    expect(await readKept(cwd, stopped)).toBe("half");
    const more = limit === "time" ? '"1h"' : "1000";
    await writeFiles(cwd, { ".canopy/config.toml": configure(scope, limit, more) });
    // A task that is to blame itself waits for a person.
    if (scope === "session" || scope === "task") await home.ask(["task", "reopen", "1"], { cwd });
    const second = await run(cwd);
    expect([second.code, await isLanded(cwd)]).toEqual([0, true]);
  });
});

describe.concurrent("at its budget's end work waits for a person, and goes on in its session with as much again", () => {
  test.for([
    ["session", "cost_usd"],
    ["task", "time"],
    ["run", "tokens"],
    ["day", "turns"],
  ] as const)("for a %s, in %s", async ([scope, limit]) => {
    const cwd = await createProject(`ask-${scope}`, configure(scope, limit, LIMITS[limit], "ask"), [limit]);
    const first = await run(cwd);
    expect([first.code, first.summary.failed, first.summary.left.length]).toEqual([1, [], 1]);
    const { inquiries } = await home.ask<{ inquiries: Inquiry[] }>(["inbox"], { cwd });
    expect(inquiries.map(({ kind }) => kind)).toEqual(["budget"]);
    expect(inquiries[0]?.text).toContain(`the ${DESCRIBED[scope]}'s budget is used up`);
    expect(inquiries[0]?.text).toMatch(SPENT[limit]);
    const [parked] = await readAttempts(cwd);
    expect(await readKept(cwd, parked)).toBe("half");
    await home.ask(["answer", inquiries[0]?.inquiryId ?? "", "--allow"], { cwd });
    const second = await run(cwd);
    expect([second.code, await isLanded(cwd)]).toEqual([0, true]);
    expect((await readAttempts(cwd)).map(({ state, sessionId }) => [state, sessionId])).toEqual([
      ["interrupted", parked?.sessionId],
      ["succeeded", parked?.sessionId],
    ]);
  });
});

describe.concurrent("at its budget's end work goes on with the cheaper model, in the same attempt", () => {
  test.for([
    ["session", "tokens"],
    ["task", "cost_usd"],
    ["run", "turns"],
    ["day", "time"],
  ] as const)("for a %s, in %s", async ([scope, limit]) => {
    const config = configure(scope, limit, LIMITS[limit], "cheaper");
    const cwd = await createProject(`cheaper-${scope}`, config, [limit]);
    const { code } = await run(cwd);
    expect([code, await isLanded(cwd)]).toEqual([0, true]);
    expect((await readAttempts(cwd)).map(({ state, failure }) => [state, failure])).toEqual([
      ["succeeded", null],
    ]);
    expect(await userGit(cwd, "show", "canopy/main:half.txt")).toBe("half");
  });
});

test("what an agent has spent is not forgotten when the daemon is killed", async () => {
  const cwd = await createProject("killed", configure("task", "tokens", "100000"), ["tokens"]);
  const running = home.start(["run", "--json"], { cwd });
  await waitFor("something spent", async () => {
    const [attempt] = await readAttempts(cwd);
    return attempt !== undefined && attempt.usage.inputTokens > 0 ? true : null;
  });
  await killDaemon(home, []);
  const result = await running.finished;
  expect(result.code, result.stdout + result.stderr).toBe(0);
  const spent = (await readAttempts(cwd)).map(({ state, usage }) => [
    state,
    usage.inputTokens + usage.outputTokens,
  ]);
  expect(spent).toEqual([
    ["interrupted", 300],
    ["succeeded", 0],
  ]);
});

test.for(["tokens", "turns", "cost_usd"] as const)(
  "what was spent on a day is known to a new daemon, in %s",
  async (limit) => {
    const value = { tokens: "500", turns: "5", cost_usd: "0.8" }[limit];
    const config = configure("day", limit, value);
    const cwd = await createProject(`restart-${limit}`, config, [`${limit}, ends`, limit]);
    const first = await home.canopy(["run", "--task", "1", "--json"], { cwd });
    expect(first.code, first.stdout).toBe(0);
    await home.canopy(["down"]);
    const second = await home.canopy(["run", "--task", "2", "--max-retries", "0", "--json"], { cwd });
    expect(second.code, second.stdout).toBe(1);
    const [stopped] = await readAttempts(cwd, "2");
    expect(stopped?.failure).toMatchObject({
      cause: "run-budget",
      message: expect.stringMatching(/the day's budget is used up: (600 of 500|5 of 5|1 of 0.8) /),
    });
  },
);
