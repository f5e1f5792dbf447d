import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { DeliverReport } from "@canopy/protocol";
import type { RunSummary } from "../run/summarize-run.ts";
import { userGit } from "./create-test-repository.ts";
import { NOTHING_LEFT, listLeftovers } from "./find-leftovers.ts";
import { matchShape, readShapes } from "./match-shape.ts";
import { openTestHome, parseJson } from "./open-test-home.ts";
import { waitFor } from "./wait-for.ts";

interface DemoReport extends RunSummary {
  readonly repository: string;
  readonly delivery: DeliverReport;
  readonly proof: string;
}

test("the demo lands and delivers twelve tasks in an empty home, and leaves nothing but its repository", async () => {
  await using home = await openTestHome();
  const result = await home.canopy(["demo", "--json"]);
  expect({ code: result.code, stderr: result.stderr }, result.stdout).toEqual({ code: 0, stderr: "" });
  const report = parseJson<DemoReport>(result.stdout);
  const shapes = await readShapes(join(import.meta.dirname, "../../../../docs/cli-json.md"));
  expect(matchShape(shapes, "Demo", report)).toEqual([]);
  expect({
    ok: report.ok,
    landed: report.landed.length,
    failed: report.failed,
    delivered: report.delivery.state,
    commitCount: report.delivery.commitCount,
    proof: report.proof,
  }).toEqual({
    ok: true,
    landed: 12,
    failed: [],
    delivered: "delivered",
    commitCount: 12,
    proof: "8 tests of the delivered repository pass",
  });
  expect(await userGit(report.repository, "status", "--porcelain")).toBe("");
  expect(await userGit(report.repository, "rev-parse", "main")).toBe(
    await userGit(report.repository, "rev-parse", "canopy/main"),
  );
  await waitFor("no process of the demo", async () =>
    (await listLeftovers(home.root, home.canopyHome)).isClean ? true : null,
  );
  expect(await listLeftovers(home.root, home.canopyHome)).toEqual(NOTHING_LEFT);
  const [demoFolder, ...more] = await readdir(`${home.root}/tmp`);
  expect(more).toEqual([]);
  expect((await readdir(`${home.root}/tmp/${demoFolder}`)).sort()).toEqual(["demo-script.json", "wordsmith"]);
  expect(await readdir(home.env["HOME"]!)).toEqual([]);
  expect((await readdir(home.root)).sort()).toEqual(["home", "tmp"]);
});
