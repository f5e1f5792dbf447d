import { readFile, readlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestRepository } from "./create-test-repository.ts";
import { NOTHING_LEFT } from "./find-leftovers.ts";
import type { CliResult, TestHome } from "./open-test-home.ts";
import { openTestHome, parseJson } from "./open-test-home.ts";

type Issue = Record<string, unknown> & { readonly id: string };

let home: TestHome;
let cwd = "";
let bin = "";

beforeAll(async () => {
  home = await openTestHome();
  cwd = join(home.root, "web");
  bin = join(home.root, "bin");
  await createTestRepository(cwd);
});
afterAll(async () => {
  const left = await home.shutDown();
  await home[Symbol.asyncDispose]();
  expect(left).toEqual(NOTHING_LEFT);
});

/** Runs `bd` from the PATH, as an agent does. */
async function bd(
  args: readonly string[],
  input?: string,
  env: Record<string, string> = {},
): Promise<CliResult> {
  // `env` finds it on the PATH; the launcher that the test home adds comes last and is dropped by the shell.
  const line = ["sh", "-c", 'shift; exec bd "$@"', "sh"];
  const PATH = `${bin}:${home.env["PATH"] ?? ""}`;
  const options = { cwd, prefix: line, env: { PATH, ...env } };
  return await home.canopy(args, input === undefined ? options : { ...options, input });
}

async function bdJson<T>(args: readonly string[], input?: string): Promise<T> {
  const result = await bd(["--json", ...args], input);
  expect([result.code, result.stderr]).toEqual([0, ""]);
  return parseJson<T>(result.stdout);
}

function ids(issues: readonly Issue[]): string[] {
  return issues.map((issue) => issue.id);
}

test("an agent's session with bd goes as it goes with beads", async () => {
  await home.ask(["bd", "install-shim", bin], { cwd });
  expect(await readlink(join(bin, "bd"))).toMatch(/apps\/cli\/bin\/canopy$/);
  expect((await bd(["--version"])).code).toBe(0);
  expect(await bdJson(["init", "--prefix", "web", "--quiet"])).toEqual({
    status: "initialized",
    prefix: "web",
  });

  const epic = await bdJson<Issue>(["create", "Log in", "-t", "epic", "-p", "P1", "-l", "api,ui"]);
  expect(epic).toMatchObject({
    id: "web-1",
    issue_type: "epic",
    priority: 1,
    labels: ["api", "ui"],
    status: "open",
  });
  const form = (await bd(["create", "The form", "--parent", "web-1", "--silent"])).stdout.trim();
  const body = "Needs `$(quotes)`\nand lines\n";
  const wired = await bdJson<Issue>(
    ["create", "Wire it", "--deps", `blocked-by:${form}`, "--stdin", "--assignee", "cy"],
    body,
  );
  const found = await bdJson<Issue>(["create", "--deps", "discovered-from:web-1", "--", "-x marks"]);
  expect([form, wired.id, wired["description"], found.id]).toEqual(["web-1.1", "web-3", body, "web-4"]);
  expect(ids(await bdJson(["ready"]))).toEqual(["web-1", "web-1.1", "web-4"]);
  expect(ids(await bdJson(["ready", "-n", "1", "--sort", "priority"]))).toEqual(["web-1"]);
  expect(ids(await bdJson(["ready", "--type", "task", "--parent", "web-1"]))).toEqual(["web-1.1"]);
  expect(await bdJson(["blocked"])).toMatchObject([
    { id: "web-3", blocked_by_count: 1, blocked_by: ["web-1.1"] },
  ]);

  const claims = await Promise.all(
    ["ada", "bob"].map((actor) => bd(["--actor", actor, "update", form, "--claim", "--json"])),
  );
  expect(claims.map(({ code }) => code).toSorted((left, right) => Number(left) - Number(right))).toEqual([
    0, 1,
  ]);
  const lost = claims.find(({ code }) => code === 1);
  const winner = claims[0]?.code === 0 ? "ada" : "bob";
  expect([lost?.stdout, parseJson(lost?.stderr ?? "")]).toEqual([
    "",
    { error: `already claimed by ${winner}`, code: "conflict", schema_version: 1 },
  ]);
  expect(await bdJson(["show", form])).toMatchObject([{ id: form, assignee: winner, status: "in_progress" }]);

  expect(
    await bdJson(["update", form, "--notes", "half", "--design", "boxes", "--estimate", "30"]),
  ).toMatchObject([{ notes: "half", design: "boxes", estimated_minutes: 30, assignee: winner }]);
  await bdJson(["comments", "add", form, "mind the", "time zones"]);
  expect(await bdJson(["comments", form])).toMatchObject([{ issue_id: form, text: "mind the time zones" }]);
  const cycle = await bd(["dep", "add", form, "web-3", "--json"]);
  expect([cycle.code, parseJson<Issue>(cycle.stderr)["code"], await bdJson(["dep", "cycles"])]).toEqual([
    1,
    "conflict",
    [],
  ]);
  expect((await bd(["dep", "tree", "web-3"])).stdout.split("\n").map((line) => line.split(" [")[0])).toEqual([
    "web-3",
    "  web-1.1",
    "    web-1",
    "",
  ]);
  expect(await bdJson(["close", form, "--reason", "works"])).toMatchObject([
    { status: "closed", close_reason: "works" },
  ]);
  expect(ids(await bdJson(["ready", "--assignee", "cy"]))).toEqual(["web-3"]);
  expect(ids(await bdJson(["list", "--status", "closed", "--limit", "0"]))).toEqual(["web-1", "web-1.1"]);
  expect(await bdJson(["reopen", "web-1", "--reason", "more to do"])).toMatchObject([{ status: "open" }]);
  expect(await bdJson(["stats"])).toMatchObject({
    summary: { total_issues: 4, closed_issues: 1, ready_issues: 3 },
  });
});

test("an export in another repository is the same again, and the second import changes nothing", async () => {
  const file = join(home.root, "issues.jsonl");
  await bdJson(["export", "-o", file]);
  const exported = await readFile(file, "utf8");
  expect(exported.trim().split("\n")).toHaveLength(4);
  await home.ask(["forget", "--yes"], { cwd });
  expect(await bdJson(["list", "--all"])).toEqual([]);
  expect(await bdJson(["import", file])).toMatchObject({ created: 4, updated: 0, skipped_dependencies: [] });
  expect((await bd(["export"])).stdout).toBe(exported);
  expect(await bdJson(["import"], exported)).toMatchObject({ created: 0, updated: 0, unchanged: 4 });
  await writeFile(file, `${exported}{"id":"web-9","title":"Mine"}\n`);
  expect(await bdJson(["import", "-i", file, "--dry-run"])).toEqual({
    created: 1,
    updated: 4,
    dry_run: true,
  });
  expect(await bdJson(["import", "-i", file])).toMatchObject({ created: 1, unchanged: 4 });
  expect((await bdJson<Issue>(["create", "Next"])).id).toBe("web-10");
});

test("errors, envelopes and flags of no use here are as bd has them", async () => {
  const missing = await bd(["show", "web-404", "--json"]);
  expect([missing.code, missing.stdout, parseJson(missing.stderr)]).toMatchObject([
    1,
    "",
    { error: "no task 'web-404'", code: "thing.not-found", schema_version: 1 },
  ]);
  const unknown = await bd(["list", "--no-such-flag", "--json"]);
  expect([unknown.code, unknown.stdout, parseJson(unknown.stderr)]).toMatchObject([
    1,
    "",
    { code: "usage.invalid" },
  ]);
  const plain = await bd(["close", "web-404"]);
  expect([plain.code, plain.stderr.split("\n")[0]]).toEqual([1, "Error: no task 'web-404'"]);
  const enveloped = await bd(["ready", "--json", "-n", "1"], undefined, { BD_JSON_ENVELOPE: "1" });
  expect(parseJson(enveloped.stdout)).toMatchObject({ schema_version: 1, data: [{ status: "open" }] });
  const ignored = await bd(["--sandbox", "--allow-stale", "--db", "/tmp/x.db", "--no-daemon", "count"]);
  expect([ignored.code, ignored.stdout, ignored.stderr]).toEqual([
    0,
    "6\n",
    "bd: --db is ignored: Canopy keeps the issues of this repository\n",
  ]);
  const other = await bd(["init", "--prefix", "api", "--json"]);
  expect([other.code, parseJson(other.stderr)]).toMatchObject([1, { code: "conflict" }]);
  const own = await bd(["ready"], undefined, { CANOPY_IS_TRACKER: "1" });
  expect([own.code, own.stderr]).toMatchObject([1, expect.stringContaining("cannot be its own tracker")]);
});
