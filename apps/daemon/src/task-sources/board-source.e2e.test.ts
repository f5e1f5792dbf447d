import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createBdTaskSource, probeBd } from "@canopy/runner";
import { afterAll, beforeAll, expect, test } from "vitest";
import { resolveDaemonPaths } from "../home/daemon-paths.ts";
import type { Daemon } from "../start-daemon.ts";
import { startDaemon } from "../start-daemon.ts";

/** The launcher of the command line, which is run as a program, called `bd`. */
const LAUNCHER = join(import.meta.dirname, "../../../cli/bin/canopy");
const LIVE = new AbortController().signal;

let folder = "";
let daemon: Daemon;
let options: { readonly cwd: string; readonly env: Record<string, string> };

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "canopy-board-"));
  const cwd = join(folder, "web");
  for (const path of [cwd, join(folder, "bin")]) mkdirSync(path);
  symlinkSync(LAUNCHER, join(folder, "bin", "bd"));
  const git = (...args: string[]): void => {
    execFileSync("git", ["-c", "user.name=T", "-c", "user.email=t@example.org", ...args], { cwd });
  };
  git("init", "-q", "-b", "main");
  git("commit", "-q", "--allow-empty", "-m", "start");
  const env = {
    PATH: `${join(folder, "bin")}:${dirname(process.execPath)}:${process.env["PATH"] ?? ""}`,
    HOME: folder,
    CANOPY_HOME: join(folder, "home"),
  };
  options = { cwd, env };
  daemon = await startDaemon({ paths: resolveDaemonPaths(env), port: 0, logLevel: "info", environment: env });
});

afterAll(async () => {
  await daemon.stop();
  rmSync(folder, { recursive: true, force: true });
});

test("the reader of real bd works on Canopy's work board as on any other", async () => {
  const warnings: string[] = [];
  const source = createBdTaskSource(options, (text) => warnings.push(text));
  expect(await probeBd(options, LIVE)).toMatch(/^\d+\.\d+/);
  expect([await source.list(LIVE), await source.ready(LIVE)]).toEqual([[], []]);

  const first = await source.create(
    { title: "-x marks", description: "why", type: "bug", priority: 1 },
    LIVE,
  );
  const long = "d".repeat(100_000);
  const second = await source.create(
    {
      title: "Second",
      description: long,
      labels: ["a", "b"],
      dependencies: [{ id: first, kind: "blocks" }],
      externalReference: "gh-1",
    },
    LIVE,
  );
  expect([first, second]).toEqual(["web-1", "web-2"]);
  expect(await source.show(second, LIVE)).toMatchObject({
    id: second,
    title: "Second",
    description: long,
    type: "task",
    priority: 2,
    state: "open",
    labels: ["a", "b"],
    dependencies: [{ id: first, kind: "blocks" }],
    externalReference: "gh-1",
  });
  expect(await source.show("web-404", LIVE)).toBeNull();
  expect((await source.ready(LIVE)).map(({ id }) => id)).toEqual([first]);

  expect(await source.claim(first, "ada", LIVE)).toEqual({ type: "claimed" });
  expect(await source.claim(first, "ada", LIVE)).toEqual({ type: "claimed" });
  expect(await source.claim(first, "bob", LIVE)).toEqual({ type: "taken", by: "ada" });
  expect((await source.show(first, LIVE))?.state).toBe("in_progress");

  await source.fail(first, "it broke", { isPermanent: false }, LIVE);
  expect(await source.show(first, LIVE)).toMatchObject({ state: "open", assignee: null });
  await source.fail(first, "for good", { isPermanent: true }, LIVE);
  expect(await source.show(first, LIVE)).toMatchObject({
    labels: ["needs-investigation"],
    notes: "FAILED PERMANENTLY: for good",
  });
  expect(await source.ready(LIVE)).toEqual([]);
  await source.needsInput(first, "which one?", LIVE);
  expect(await source.show(first, LIVE)).toMatchObject({
    state: "needs-input",
    notes: "FAILED PERMANENTLY: for good\nNEEDS_INPUT: which one?",
  });
  await source.comment(first, "-- a remark", LIVE);
  await source.complete(first, "done", LIVE);
  await source.complete(second, "done", LIVE);
  expect([await source.list(LIVE), warnings]).toEqual([[], []]);
});
